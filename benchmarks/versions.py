"""`python -m benchmarks.versions SWEEPJAX`: one lane of this checkout against another installation's `sweepjax`.

Whole processes in pairs, everything compiled before: an untimed run of each side fills a cache of its own.
"""

import argparse
import os
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import table
from benchmarks.processes import SWEEPJAX, run_anew
from benchmarks.roofline import FOLDER
from benchmarks.timing import alternate

JOBS = {
    "limit, n = 40": "--n 40 --d 16,20,24 --realizations 4096",
    "limit, n = 400, below the transition": "--n 400 --d 160,168,180,188,192 --realizations 512",
    "limit, n = 400, above the transition": "--n 400 --d 208,240,280 --realizations 512",
    "limit, n = 2400, below the transition": "--n 2400 --d 930,1050,1110 --realizations 16",
    "limit, n = 2400, near the transition": "--n 2400 --d 1176,1191 --realizations 8",
    "gradient_flow to 1e6, n = 400": "--n 400 --d 160,192 --solver gradient_flow --until 1e6 --realizations 512",
    "gradient_flow to 1e6, σ = 5": "--n 400 --d 192 --sigma 5 --solver gradient_flow --until 1e6 --realizations 256",
    "gradient_descent, 20,000 steps": (
        "--n 400 --d 192 --solver gradient_descent --set learning_rate=0.1 --until 20000 --realizations 32"
    ),
    "gradient_descent corrected, to 1e6": (
        "--n 400 --d 192 --solver gradient_descent --set learning_rate=0.1 --set mode=corrected --until 1e6"
        " --realizations 128"
    ),
    "adam, 20,000 steps": "--n 400 --d 192 --solver adam --set learning_rate=0.001 --until 20000 --realizations 32",
}


def row(name: str, other: Path, home: Path, repetitions: int) -> table.Row:
    """Time a job in pairs; the ratio is the other's seconds over ours."""
    sides = [partial(run_anew, JOBS[name].split(), home / f"cache{k}", who) for k, who in enumerate((SWEEPJAX, other))]
    pair = alternate(*sides, repetitions)
    ours, theirs = pair.medians
    ratios = sorted(pair.ratios)
    middle = ratios[len(ratios) // 2]
    found = table.Row(name, ours, "the other version", theirs, ratios[0], middle, ratios[-1], 0.97, unit="s")
    return found._replace(repetitions=repetitions, note=f"`run {JOBS[name]}`")


def main() -> None:
    """Time all jobs and write the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("other", type=Path, metavar="SWEEPJAX", help="the command of the other installation")
    parser.add_argument("--only", default="", help="jobs whose name holds this")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=Path, default=FOLDER / "versions")
    options = parser.parse_args()
    if not options.other.is_file():
        parser.error(f"there is no {options.other}; give the path of another installation's `sweepjax`")
    chosen = [name for name in JOBS if options.only in name]
    if not chosen:
        parser.error(f"no job has {options.only!r} in its name; there are: {'; '.join(JOBS)}")
    rows = []
    with TemporaryDirectory() as home:
        for name in chosen:
            rows.append(row(name, options.other, Path(home), options.repetitions))
            print(rows[-1].cells(), flush=True)
            table.write(rows, options.out, table.provenance(os.cpu_count() or 1))


if __name__ == "__main__":
    main()
