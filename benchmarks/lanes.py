"""`python -m benchmarks.lanes`: what a row costs when many share the lanes of a device, in counted work.

Products, factorisations and triangular solves are counted as they are executed (`benchmarks.counting`), and taken as
the least time of an H100 (`benchmarks.roofline`). Rows are counted that come when the pool is full: many less fewer,
so that the last, after which none come, do not count, but for chance: how full lanes were is known to some per cent.
Operations on single numbers are counted of closed forms alone, which are little else, and the pool's own copies
are not. With them, and with XLA's batched kernels of a CPU, whole
runs are timed in seconds of processor. `before.csv` beside the table, if it is there, holds what was counted of an
engine without a pool, and is drawn too.
"""

import argparse
import csv
import re
import resource
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from benchmarks.processes import run_anew
from benchmarks.roofline import FAST, FOLDER, tally, title
from sweepjax.engine import sizes
from sweepjax.engine.engine import Engine
from sweepjax.figures._drawing import FAINT, styled
from sweepjax.models.logistic import Logistic
from sweepjax.solvers.gradient_flow import GradientFlow
from sweepjax.solvers.limit import Limit
from sweepjax.sweep.sweep import Sweep
from sweepjax.sweep.times import recorded_times
from sweepjax.types import Family, Task

FILLING, PER_LANE = 2, 8  # rows a lane: before those that are counted, beyond the slots, and counted
FEWEST = 2048


class Line(NamedTuple):
    """A kernel with so many lanes: microseconds of an H100 a steady row, relative to one lane, and how full it was."""

    kernel: str
    lanes: int
    rows: int
    microseconds: float
    ratio: float
    full: float


class Timed(NamedTuple):
    """A run with so many lanes: seconds of processor, and relative to those of the first number of lanes."""

    run: str
    command: str
    lanes: int
    seconds: float
    ratio: float


COMPLETION = {"model": "matrix_completion", "d": 10, "fraction": 0.4, "alpha": 5.0, "l2": 0.03}
DIAGONAL = {"model": "diagonal_network", "n": 24, "d": 120, "alpha": 16.0, "l2": 0.03, "n_test": 64}
BALL = {"model": "perceptron_ball", "n": 10, "d": 5, "l2": 0.1}
LINEAR = {"model": "linear_regression", "n": 44, "d": 40}
FEW_TIMES = {"until": 300, "record": "0,100,300"}
SYSTEMS: list[dict[str, Any]] = [  # at small sizes: flows, whose rows take unlike numbers of steps, steps, closed forms
    DIAGONAL | FEW_TIMES | {"solver": "gradient_flow"},
    COMPLETION | FEW_TIMES | {"solver": "gradient_flow"},
    BALL | FEW_TIMES | {"solver": "proximal_flow", "l1": 0.1},
    DIAGONAL | {"solver": "gradient_descent", "learning_rate": 0.05, "until": 1000, "record": 20},
    COMPLETION | {"solver": "gradient_descent", "learning_rate": 0.1, "until": 1000, "record": 20},
    LINEAR | {"solver": "gradient_descent", "learning_rate": 0.01, "until": 1000, "record": 20},
    LINEAR | {"solver": "exact_descent", "until": 1e6},
    BALL | {"solver": "exact", "until": 10, "record": 20},
    {"model": "perceptron_exponential", "solver": "exact", "until": 14, "record": 20},
]
RUNS = {  # with the realizations of each point
    "limit, n = 400, λ 0.40 to 0.60": ("--n 400 --lambda 0.4:0.6:0.02", 182),
    "limit, n = 100, λ 0.40 to 0.60": ("--n 100 --lambda 0.4:0.6:0.02", 1820),
    "gradient_flow, n = 100, σ = 1 and 5": ("--n 100 --d 48 --sigma 1,5 --solver gradient_flow --until 1e6", 500),
    "perceptron_exponential, in closed form": ("--preset perceptron_times", 4000),
    "perceptron_ball, in closed form": ("--preset ball_share", 300),
    "perceptron_ball, walked": ("--preset ball_penalties --d 5,20", 60),
    "linear_regression, in closed form": ("--preset linear_stuck", 64),
    "diagonal_network, reduced": ("--preset diagonal_collapse --set n_test=200 --record 0,550,1100", 64),
    "matrix_completion, flow": ("--preset completion_collapse --record 0,1300,2600", 64),
    "matrix_completion, descent": (
        "--model matrix_completion --solver gradient_descent --set learning_rate=0.1 --until 6000 --record 0,600,6000",
        256,
    ),
    "quadratic_modular, AdamW": ("--preset modular_smoke", 64),
}
SHORT = {"limit, n = 40": ("--n 40 --lambda 0.4", 8)}


def kernels(*, short: bool) -> list[Family]:
    """Return what is counted: both sides of the transition and near it, flows that are stiff and not, other systems."""
    if short:
        return [_family(40, 16, Limit())]
    limits = [_family(400, d, Limit()) for d in (160, 192, 208, 240)]
    flows = [_family(100, 48, GradientFlow(), sigma) for sigma in (1.0, 5.0)]
    systems = (family for fields in SYSTEMS for family in Sweep.from_toml(fields).families())
    return [*limits, *flows, *systems]


def _family(n: int, d: int, solver: Any, sigma: float = 1.0) -> Family:
    times = recorded_times(solver.clock, None if solver.clock == "none" else 1e6)
    return Family((Task(Logistic(n=n, d=d, sigma=sigma), solver, times=times),))


def steady(family: Family, lanes: int, few: int, many: int) -> tuple[float, float]:
    """Return the least seconds of one of the rows from `few` to `many`, and how full the lanes were."""
    (least, *before), (most, *after) = (_counted(family, lanes, rows, many) for rows in (few, many))
    taken, served = (late - early for early, late in zip(before, after, strict=True))
    return (most - least) / (many - few), served / (lanes * taken)


def _counted(family: Family, lanes: int, rows: int, most: int) -> tuple[float, int, int]:
    """Return the least seconds of some rows of an H100, the steps they took, and the rows these served."""
    counted = tally(family, rows, lanes, most)
    left = counted.answer[1]
    seconds = sum(FAST.parts(counted.sites).values())
    return seconds, int(np.sum(left.taken)), int(np.sum(left.served))


def lines(families: list[Family], widths: list[int]) -> Iterator[Line]:
    """Count every kernel with every number of lanes, on the same rows: those that come when the pool is full."""
    for family in families:
        slots = max(sizes.shape(lanes, family, Engine(device="cpu").devices).slots for lanes in widths)
        few = slots + FILLING * max(widths)
        many, one = few + max(FEWEST, PER_LANE * max(widths)), np.nan
        for lanes in widths:
            seconds, full = steady(family, lanes, few, many)
            one = seconds if lanes == widths[0] else one
            yield Line(title(family), lanes, many - few, 1e6 * seconds, seconds / one, full)


def timed(widths: list[int], *, short: bool, only: str) -> Iterator[Timed]:
    """Time whole runs with every number of lanes, everything compiled, and say how much more than with the first."""
    for name, (options, rows) in (SHORT if short else RUNS).items():
        if only in name:
            with TemporaryDirectory() as home:
                spent = [_spent([*options.split(), "--batch", str(lanes)], rows, Path(home)) for lanes in widths]
            command = f"sweepjax run {options} --realizations {rows}"
            yield from (Timed(name, command, *pair, pair[1] / spent[0]) for pair in zip(widths, spent, strict=True))


def _spent(options: list[str], rows: int, cache: Path) -> float:
    """Return the seconds of processor of a run, less those of a run of one row a point, everything compiled."""
    many, one = ([*options, "--realizations", str(count)] for count in (rows, 1))
    for each in (many, one):
        run_anew(each, cache)
    return min(_seconds(many, cache) for _ in range(2)) - min(_seconds(one, cache) for _ in range(2))


def _seconds(options: list[str], cache: Path) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run_anew(options, cache)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _markdown(line: Line) -> str:
    return f"* {line.kernel}, {line.lanes} lanes: {line.ratio:.3g} of the work of one, {line.full:.1%} full"


def _timed_markdown(run: Timed) -> str:
    took = f"{run.seconds:.3g} s of processor, {run.ratio:.3g} of one lane"
    return f"* {run.run}, {run.lanes} lanes: {took} (`{run.command}`)"


@styled
def draw(found: list[Line], before: list[Line]) -> Figure:
    """Draw work a row with many lanes, kernel by kernel, and what it was when all lanes waited for the slowest."""
    names = list(dict.fromkeys(line.kernel for line in found))
    figure = Figure(figsize=(6.4, 0.9 + 0.24 * len(names)), layout="constrained")
    axes = figure.add_subplot(xlabel="counted work a row, relative to one lane", xscale="log")
    first = mpl.rcParams["axes.prop_cycle"].by_key()["color"][0]
    for lanes, each, mark, color in [(*_widest(found), "o", first), (*_widest(before), "s", FAINT)]:
        here = [line for line in each if line.kernel in names]
        if not here:
            continue
        places = [names.index(line.kernel) for line in here]
        label = f"{lanes} lanes" + (", when all waited for the slowest" if mark == "s" else "")
        hollow = "white" if mark == "s" else color
        axes.plot([line.ratio for line in here], places, mark, color=color, markerfacecolor=hollow, label=label)
    axes.axvline(1, color=FAINT, linewidth=0.6, zorder=0)
    axes.set_yticks(range(len(names)), [re.sub(r" to [0-9.e+]+", "", name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xticks([1, 1.5, 2, 5, 10, 20], ["1", "1.5", "2", "5", "10", "20"])
    axes.minorticks_off()
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def _widest(lines: list[Line]) -> tuple[int, list[Line]]:
    """Return the largest number of lanes, and what was counted with it."""
    most = max((line.lanes for line in lines), default=0)
    return most, [line for line in lines if line.lanes == most]


def main() -> None:
    """Write the table and the picture."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lanes", description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument(
        "--lanes", type=_numbers, default="1,8,64", help="numbers of lanes, the first of which is the unit"
    )
    parser.add_argument("--only", default="", help="kernels and runs whose name holds this")
    parser.add_argument("--counted", action="store_true", help="count and time nothing")
    parser.add_argument("--timed", action="store_true", help="time and count nothing")
    parser.add_argument("--short", action="store_true", help="one tiny kernel")
    options = parser.parse_args()
    widths = options.lanes
    options.out.mkdir(parents=True, exist_ok=True)
    if not options.timed:
        families = [each for each in kernels(short=options.short) if options.only in title(each)]
        _write(options.out / "lanes.csv", lines(families, widths))
    if not options.counted:
        _write(options.out / "lanes_timed.csv", timed(widths, short=options.short, only=options.only))
    found = [_read(options.out / f"{name}.csv", kind) for name, kind in (("lanes", Line), ("lanes_timed", Timed))]
    text = ["`python -m benchmarks.lanes`", "", *map(_markdown, found[0]), "", *map(_timed_markdown, found[1]), ""]
    (options.out / "lanes.md").write_text("\n".join(text))
    draw(found[0], _read(options.out / "before.csv", Line)).savefig(options.out / "lanes.png")


def _numbers(text: str) -> list[int]:
    found = text.split(",")
    if not all(each.isdecimal() and int(each) for each in found):
        raise argparse.ArgumentTypeError(
            f"{text!r} are no numbers of lanes; write whole numbers from 1 on, such as 1,64"
        )
    return list(map(int, found))


def _write(file: Path, rows: Iterable[Any]) -> None:
    """Add rows to a table one by one, in the place of those of the same name and lanes."""
    for row in rows:
        print(row, flush=True)
        rest = [each for each in _read(file, type(row)) if (each[0], each.lanes) != (row[0], row.lanes)]
        with file.open("w", newline="") as out:
            csv.writer(out).writerows([row._fields, *rest, row])


def _read(file: Path, kind: Any) -> list[Any]:
    """Return the rows of a table that is there."""
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        _, *texts = csv.reader(lines)
    return [kind(*(cast(text) for cast, text in zip(_casts(kind), row, strict=True))) for row in texts]


def _casts(kind: Any) -> list[Any]:
    return list(kind.__annotations__.values())


if __name__ == "__main__":
    main()
