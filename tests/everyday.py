"""Code in a process of its own that compiles as users do; the tests' own compiler is a quick one."""

import os
import subprocess
import sys

from places import TESTS

COMPILER = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "JAX_DISABLE_MOST_OPTIMIZATIONS": "0"}


def run(code):
    """Execute the code; it finds the tests as modules."""
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | COMPILER | TESTS)
