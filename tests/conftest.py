"""What every test runs under: shapes and dtypes checked, one cache of compiled programs, a fixed device count."""

import os
import sys
import tempfile
from pathlib import Path

from jaxtyping import install_import_hook

# Plug-ins from outside the package are reached by module:Name.
sys.path.insert(0, str(Path(__file__).parent))

# Before JAX starts: two devices, so that the realization axis is really split.
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", tempfile.mkdtemp(prefix="sweepjax-"))

# Not the plug-ins themselves: a float field is a number outside and a traced array inside a program.
KERNELS = ("_certificates", "_linear", "_margin", "_messages", "_newton")
install_import_hook([f"sweepjax.solvers.{name}" for name in KERNELS], "beartype.beartype")
