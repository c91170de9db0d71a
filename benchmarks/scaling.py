"""`python -m benchmarks.scaling`: what a sweep costs against each of its sizes, and what experiment 1 takes.

Milliseconds are those of one core: seconds by the clock × devices / draws, data drawn included, compiled before. An
exponent is the slope of the straight line through the logarithms of a curve's last three points.
"""

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np

from benchmarks.kernel import ENGINE
from benchmarks.memory import peak
from benchmarks.roofline import FOLDER, circumstances, markdown, write
from benchmarks.scaling_picture import SIZES, Point, curves, draw, slope
from sweepjax.presets import preset
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk, Family

LEAST_SECONDS, LEAST_BATCHES = 3.0, 4  # of each point
SWEEPJAX = Path(sys.executable).with_name("sweepjax")


class Part(NamedTuple):
    """Experiment 1 at one d: the mean of a draw on one core, its standard error, and all draws on all devices."""

    d: int
    draws: int
    ms: float
    error: float
    hours: float
    share: float


def batches(shape: Family) -> list[float]:
    """Return milliseconds of a core a draw, of each batch of rows after two, of which the first compiles."""
    size = ENGINE.shape(shape).rows
    ENGINE.compute(Chunk(shape, 0, size))
    first = _seconds(Chunk(shape, size, 2 * size))[0]
    count = max(LEAST_BATCHES, math.ceil(LEAST_SECONDS / first))
    seconds = _seconds(Chunk(shape, 2 * size, (2 + count) * size))
    return [1e3 * each * len(ENGINE.devices) / size for each in seconds]


def _seconds(chunk: Chunk) -> list[float]:
    """Return the seconds between batches that are done."""
    done = [time.perf_counter()]

    def watch(what: str, rows: int) -> None:
        if what == "rows" and rows:
            done.append(time.perf_counter())

    ENGINE.compute(chunk, watch)
    return np.diff(done).tolist()


def family(n: int, d: int) -> Family:
    """Return the limits of one size."""
    return next(Sweep().replaced(n=n, d=d, realizations=10**6).families())


def sizes(*, short: bool) -> Iterator[Point]:
    """Measure a draw against n, d and the distance from the transition."""
    for curve, points in {"n at λ = 0.45": [(40, 18, 40), (80, 36, 80)]}.items() if short else SIZES.items():
        for n, d, x in points:
            yield Point(curve, x, statistics.mean(batches(family(n, d))), "ms")
            print(f"{curve}, {x:.3g}", file=sys.stderr, flush=True)


def devices(*, short: bool) -> Iterator[Point]:
    """Measure rows a second of as many devices, each count in a process of its own."""
    for count in sorted({1, len(ENGINE.devices)}):
        flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={count}", "NPROC": str(count)}
        ms = _printed([sys.executable, "-m", "benchmarks.scaling", "--one", "40" if short else "400"], flags)
        yield Point("devices, n = 400, λ = 0.45", count, 1e3 * count / ms, "rows/s")


def realizations(*, short: bool) -> Iterator[Point]:
    """Measure whole runs, store included, against the number of realizations."""
    for count in (8, 64) if short else (64, 256, 1024, 4096):
        yield Point("realizations, n = 400, λ = 0.45", count, _run(["--lambda", "0.45", "--realizations", count]), "s")


def lanes(*, short: bool) -> Iterator[Point]:
    """Measure the peak memory of a run against the lanes of a device."""
    for count in (1, 2) if short else (1, 4, 16, 64):
        yield Point("lanes, n = 400, λ = 0.3", count, peak(2 * count if short else 256, count), "MiB")


def starts(*, short: bool) -> Iterator[Point]:
    """Measure whole commands with nothing compiled, and again: the first row, and a run of the README's size."""
    for lam, count, rows in ("0.45", 8, 8), ("0.4:0.6:0.04", 8 if short else 200, 48 if short else 1200):
        with TemporaryDirectory() as cache:
            for what in ("nothing compiled", "compiled before"):
                options = ["--lambda", lam, "--realizations", count]
                yield Point(f"λ {lam}, {what}", rows, _run(options, {"XDG_CACHE_HOME": cache}), "s")


def experiment(*, short: bool) -> list[Part]:
    """Measure some draws at every d of experiment 1."""
    sweep = preset("s_statistics")
    families = [family(40, d) for d in (16, 18)] if short else list(sweep.families())
    found = [batches(one) for one in families]
    hours = [statistics.mean(ms) * sweep.realizations / len(ENGINE.devices) / 3.6e6 for ms in found]
    sizes = [len(ms) * ENGINE.shape(one).rows for one, ms in zip(families, found, strict=True)]
    return [
        Part(one.tasks[0].model.d, size, statistics.mean(ms), statistics.stdev(ms) / len(ms) ** 0.5, h, h / sum(hours))
        for one, size, ms, h in zip(families, sizes, found, hours, strict=True)
    ]


def _run(options: list, environment: dict[str, str] | None = None) -> float:
    """Return the seconds of a whole `sweepjax run`."""
    with TemporaryDirectory() as out:
        command = [SWEEPJAX, "run", *map(str, options), "-o", out]
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=os.environ | (environment or {}))
        return time.perf_counter() - begun


def _printed(command: list[str], environment: dict[str, str]) -> float:
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | environment)
    return float(done.stdout)


TEXT = """# What a draw costs

{doc}

{slopes}
## Whole commands

{starts}
## Experiment 1

{rows:,} draws at n = 2400 take **{hours:.2g} ± {error:.1g} hours** on {devices} devices: the mean of the draws that
were timed at each d (with its standard error), times 15,000.

{experiment}
## All points

{points}
"""


def report(*, short: bool) -> tuple[list[Point], str]:
    """Measure everything; return the points and the text."""
    points = [point for part in (sizes, devices, realizations, lanes, starts) for point in part(short=short)]
    parts = experiment(short=short)
    error = math.hypot(*(part.error * part.hours / part.ms for part in parts))
    grouped = curves(points)
    slopes = [slope(name, group) for name, group in grouped.items() if len(group) > 1]
    commands = [group[0] for group in grouped.values() if len(group) == 1]
    text = TEXT.format(
        doc=__doc__.partition("\n\n")[2].strip(),
        slopes=markdown(slopes),
        starts=markdown(commands),
        rows=preset("s_statistics").rows_total,
        hours=sum(part.hours for part in parts),
        error=error,
        devices=len(ENGINE.devices),
        experiment=markdown(parts),
        points=markdown(points),
    )
    return points, text


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__.partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="few points: only shows that everything runs")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where the tables go (full ones: {FOLDER})")
    parser.add_argument("--one", type=int, metavar="N", help="print the milliseconds of a draw at one n, and end")
    options = parser.parse_args()
    if options.one:
        print(statistics.mean(batches(family(options.one, round(0.45 * options.one)))))
        return
    points, text = report(short=options.short)
    print(text)
    if folder := options.out or (None if options.short else FOLDER):
        command = f"python -m benchmarks.scaling{' --short' if options.short else ''}"
        write(folder / "scaling", points, text, circumstances(command, f"{len(ENGINE.devices)} CPU devices"))
        draw(points, folder / "scaling.png")


if __name__ == "__main__":
    main()
