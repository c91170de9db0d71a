"""Runs of `sweepjax` as whole processes, with programs compiled into a place of their own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

SWEEPJAX = Path(sys.executable).with_name("sweepjax")
COMPLETE = 0, 3  # exit codes: the second says that rows are uncertified


def run(options: Sequence[str], cache: Path, out: Path, command: Path = SWEEPJAX) -> None:
    """Run a sweep into a directory; the settings of JAX that this process has are not passed on."""
    usual = {name: text for name, text in os.environ.items() if not name.startswith("JAX_")}
    environment = usual | {"XDG_CACHE_HOME": str(cache)}
    ended = subprocess.run(
        [command, "run", *options, "-o", out], capture_output=True, text=True, env=environment, check=False
    )
    if ended.returncode not in COMPLETE:
        raise RuntimeError(f"{command} run {' '.join(options)}: {ended.stderr}")


def run_anew(options: Sequence[str], cache: Path, command: Path = SWEEPJAX) -> None:
    """Run a sweep into a directory that is thrown away."""
    with TemporaryDirectory() as own:
        run(options, cache, Path(own) / "rows", command)
