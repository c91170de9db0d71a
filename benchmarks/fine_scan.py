"""The job of a fine scan: many λ with a few draws each, as whole processes, with nothing compiled and once more."""

import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import sweepjax as sj
from benchmarks.jobs import Effort, compared
from benchmarks.processes import run, run_anew
from benchmarks.table import Row
from benchmarks.timing import Pair, alternate, seconds

SCAN = ("--n", "400", "--lambda", "0.05:0.95@40", "--realizations", "10")
SHORT = ("--n", "40", "--lambda", "0.3:0.7@3", "--realizations", "2")
PEER = "SciPy's L-BFGS-B, and NNLS where it separates, over the same draws, whole process"


def fine_scan(effort: Effort) -> list[Row]:
    """A scan of 40 λ with 10 draws each: the first time, which is one pair, and again."""
    with TemporaryDirectory() as home:
        place, options = Path(home), SHORT if effort.short else SCAN
        cold = seconds(lambda: run(options, place / "cache", place / "rows"))
        truth = _draw(place)
        peer = [sys.executable, "-m", "benchmarks.scipy_scan", str(place / "draws"), str(place / "found.npy")]
        theirs = partial(subprocess.run, peer, check=True)
        first = Pair([cold], [seconds(theirs)], None, None)
        again = alternate(lambda: run_anew(options, place / "cache"), theirs, effort.repetitions(3))
        off = np.abs(np.load(place / "found.npy") / truth - 1)
    return [
        _row("nothing compiled", first, off, None),
        _row("compiled before", again, off, 1),
    ]


JOBS = {"fine_scan": fine_scan}


def _row(name: str, pair: Pair, off: np.ndarray, least: float | None) -> Row:
    more = pair.medians[0] - pair.medians[1]
    note = f"{pair.medians[0]:.3g} s, {more:+.3g} s; the peer is off by more than 1e-4 in {np.sum(off > 1e-4)} rows"
    row = compared(f"fine scan, {name}", pair, len(off), PEER, least)
    return row._replace(their_error=float(np.median(off)), note=note)


def _draw(place: Path) -> np.ndarray:
    """Write the datasets of the rows where the peer looks, and return ‖S_∞‖ or minus the margin of each."""
    (place / "draws").mkdir()
    rows = sj.read(place / "rows").reset_index(drop=True)
    for index, row in rows.iterrows():
        np.save(place / "draws" / f"{index:06}.npy", np.asarray(sj.dataset(row).x))
    return np.where(rows["separable"], -rows["margin"].astype(float), rows["s_norm"].astype(float))
