"""Peak memory of one whole run, in a process of its own: `python -m benchmarks.memory REALIZATIONS LANES`."""

import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sweepjax.engine.engine import Engine
from sweepjax.run import fill, open_store, share
from sweepjax.sweep.sweep import Sweep

CHUNK_ROWS = 256


def peak(realizations: int, lanes: int = 0) -> float:
    """Return the peak resident memory in MiB of a fresh process that runs n = 400, d = 120."""
    command = [sys.executable, "-m", "benchmarks.memory", str(realizations), str(lanes)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(realizations: int, lanes: int) -> None:
    """Run, and print the peak."""
    sweep, engine = Sweep().replaced(n=400, d=120, realizations=realizations), Engine(lanes=lanes)
    with TemporaryDirectory() as out:
        store = open_store(sweep, out, chunk_rows=CHUNK_ROWS, engine=engine)
        fill(store, share(sweep, store.chunk_rows), engine=engine, watch=lambda what, rows: None)
    print(_peak_kibibytes() / 1024)


def _peak_kibibytes() -> float:
    """Not ru_maxrss on Linux: a child begins with that of its parent."""
    status = Path("/proc/self/status")
    if status.exists():
        return float(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
