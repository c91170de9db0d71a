"""`python -m benchmarks`: every pair back to back, one table."""

import argparse
import os
import sys
from pathlib import Path

import jax
import torch

from benchmarks import closed_forms, dynamics, fine_scan, jobs, limit_of_data, modular, networks, transformers
from benchmarks.hardware import hardware
from benchmarks.jobs import Effort
from benchmarks.kernel import ENGINE
from benchmarks.table import markdown, provenance, write

FULL = Path("results") / "benchmarks"
JOBS = jobs.JOBS | limit_of_data.JOBS | dynamics.JOBS | networks.JOBS | modular.JOBS | transformers.JOBS
JOBS |= closed_forms.JOBS | fine_scan.JOBS
COMPILING = ("whole_run", "fine_scan")  # whose rows say what compilation takes


def main() -> None:
    """Run the jobs, print the table and write it."""
    options = _options()
    if "OPENBLAS_CORETYPE" in os.environ:
        sys.exit("OPENBLAS_CORETYPE is set and would slow the peers; unset it and run again")
    if not options.only or options.only in COMPILING:
        jax.config.update("jax_enable_compilation_cache", False)
    torch.set_num_threads(len(ENGINE.devices))
    whole = not (options.short or options.only or options.draws)
    circumstances = provenance(len(ENGINE.devices)) | {"limits": str(hardware())}
    rows, folder = [], options.out or (FULL if whole else None)
    for name in [options.only] if options.only else JOBS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += JOBS[name](Effort(options.draws, options.short))
        if folder:
            write(rows, folder, circumstances)
    print(markdown(rows))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="tiny counts: only shows that everything runs")
    parser.add_argument("--only", metavar="NAME", choices=list(JOBS), help="one job")
    parser.add_argument("--draws", type=int, default=0, metavar="N", help="draws a dimension instead of each job's own")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where the table goes (a full one: {FULL})")
    return parser.parse_args()


if __name__ == "__main__":
    main()
