"""`python -m benchmarks.gpu`: the kernels on the first GPU, against what that GPU can do at most, and against the CPU.

Its limits are measured first, in the same run (`benchmarks.device_limits`). Then the engine's own programs are timed,
as wide as the engine runs them, data drawn included, and rows of the first are held against those of the CPU. The
least time of a row is that of `benchmarks.roofline`, whose counted executions are read from its table. `--minutes 10`
begins with what matters most, writes after every line, and leaves out what does not fit, by name.
"""

import argparse
import csv
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.counting import Site, Sites
from benchmarks.device_limits import Limit, loops, machine, rates
from benchmarks.roofline import FOLDER, Machine, circumstances, kernels, markdown, title, write
from sweepjax.engine.engine import Engine
from sweepjax.presets import preset
from sweepjax.types import Chunk, Columns, Family

NO_DEVICE = (
    "no device of platform {platform!r} here; run this on a machine with a CUDA GPU, and with jax[cuda12] or "
    "jax[cuda13] installed (--platform cpu --short only shows that it runs)"
)
LEGEND = """# On a GPU

## What the device can do

Medians of {repetitions} repetitions: a triad a + s b of float32 arrays, products of square matrices (float32 without
TF32), Cholesky of many matrices at a time and the inverses of the factors, both counted as d³/3 flops. Each round of a
loop, and each stage of it that is not chosen, makes the host wait for a number.

{limits}
## Kernels

The engine's program, data drawn included, the lanes running empty at the end included; rows of seed 0. Its least time
is Σ executions × max(bytes / bandwidth, flops / rate) over all products, factorisations and triangular solves of a row
alone, as they stand in roofline.csv, with the rates above (Cholesky: that of the nearest d); the share is least time /
time. "Ready" is when the program was compiled, all of them at once; full is the share of the lanes' steps that were a
row's; GB are those of the pool and of what a call needs besides. What is failed is uncertified, not converged or
diverged.

{kernels}
{agreement}
{left_out}
"""
AGREEMENT = """The same {rows} rows of {kernel} on the {cores} CPU devices of this machine: {ratio:.3g} times the time.
Of them {classes} are of another class there; s_norm differs by {s_norm:.2g} at most, margin by {margin:.2g}.
"""
HOURS = """## Experiment 1 in full

{rows:,} rows of the preset s_statistics (17 d, n = 2400) take **{hours:.2g} hours** on this device: the milliseconds a
row above, interpolated linearly between the d that were timed. Arithmetic, not a run.
"""
MORE = "modular_smoke", "transformer_fraction_small"  # presets of other systems, of which one family is timed
FIRST = ("n = 400, d = 192", "n = 400, d = 240", "n = 2400, d = 1176", "n = 2400, d = 1110", "n = 2400, d = 1380")
COMPARED = 256  # rows that the CPU computes, too
WARM, LEAST = 2, 8  # rows a lane, of the first call and of the one that is timed
MARGIN = 0.85  # of the minutes, after which nothing more is begun


class OneDevice(Engine):
    """An engine that uses the first of its devices."""

    @property
    def devices(self) -> tuple[Any, ...]:
        """The first device."""
        return super().devices[:1]


class Line(NamedTuple):
    """A kernel, a row."""

    kernel: str
    lanes: int
    rows: int
    ms: float
    rows_a_second: float
    full: float
    failed: int
    ready_seconds: float
    GB: float
    ms_at_least: float
    share: float


@dataclass
class Clock:
    """Seconds since the start, and how many there are."""

    minutes: float
    start: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.start

    @property
    def over(self) -> bool:
        """Whether nothing more is to be begun."""
        return self.now > MARGIN * 60 * self.minutes


def main() -> None:
    """Measure, print and write; without a GPU, say so and leave."""
    options = _options()
    engine, clock = OneDevice(device=options.platform, lanes=2 * options.short), Clock(options.minutes)
    try:
        device = engine.devices[0]
    except RuntimeError:
        sys.exit(NO_DEVICE.format(platform=options.platform))
    families, repetitions = chosen(short=options.short), 2 if options.short else 5
    with jax.default_device(device), jax.enable_x64(True):
        limits = [*_said(loops(repetitions))]
        for family in families:
            engine.prepare(family)
        limits += _said(rates(repetitions, short=options.short))
    report = Report(options, engine, clock, limits, repetitions)
    for family in families:
        report.take(family)
    report.compare(families[0])
    print(report.text)


def _said(limits: Iterator[Limit]) -> Iterator[Limit]:
    for limit in limits:
        print(f"{limit.what}, {limit.size}: {limit.value:.4g} {limit.unit}", flush=True)
        yield limit


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long it may take: 10 are enough for most")
    parser.add_argument("--short", action="store_true", help="tiny sizes: only shows that everything runs")
    parser.add_argument("--platform", default="cuda", help="another of JAX's platforms, if asked for by name")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where the tables go (full ones: {FOLDER})")
    parser.add_argument("--trace", type=Path, metavar="DIR", help="where JAX's profile of each kernel goes")
    options = parser.parse_args()
    if not options.minutes > 0:
        parser.error(f"--minutes {options.minutes:g} is not allowed; give a number above 0")
    return options


def chosen(*, short: bool) -> list[Family]:
    """Return what is timed, the most important first."""
    families = kernels(short=short)
    order = {name: place for place, name in enumerate(FIRST)}

    def place(family: Family) -> int:
        return next((at for name, at in order.items() if f"limit, {name}" in title(family)), len(order))

    more = [] if short else [preset(name).family(0) for name in MORE]
    return [*sorted(families, key=place), *more]


@dataclass
class Report:
    """What was measured so far; it is written after every kernel."""

    options: argparse.Namespace
    engine: Engine
    clock: Clock
    limits: list[Limit]
    repetitions: int
    lines: list[Line] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    agreement: str = ""

    def take(self, family: Family) -> None:
        """Time a kernel, if there is time."""
        if self.clock.over:
            self.left_out.append(title(family))
            return
        line = self._line(family)
        print(line, flush=True)
        self.lines.append(line)
        self.write()

    def _line(self, family: Family) -> Line:
        compute, lanes = partial(_computed, self.engine, family), self.engine.shape(family).lanes
        program = self.engine.program(family).advance.memory_analysis()
        ready = self.clock.now
        compute(2)
        first, _, _ = compute(WARM * lanes)
        wanted = 60 * self.clock.minutes / 40
        rows = lanes * max(LEAST, min(1000, int(wanted / first * WARM)))
        if self.options.short or first * rows / (WARM * lanes) > 60 * self.clock.minutes - self.clock.now:
            rows = WARM * lanes
        seconds, full, columns = compute(rows)
        if self.options.trace:
            with jax.profiler.trace(str(self.options.trace / title(family).replace(" ", ""))):
                compute(WARM * lanes)
        ms, least = 1e3 * seconds / rows, _least(title(family), machine(self.limits))
        held = (program.argument_size_in_bytes + program.temp_size_in_bytes) / 1e9
        known = title(family), lanes, rows, ms, 1e3 / ms, full, failures(columns), ready, held
        return Line._make([*known, least, least / ms])

    def compare(self, family: Family) -> None:
        """Compute rows of a kernel on the CPU, too."""
        if self.clock.over:
            self.left_out.append("the same rows on the CPU")
            return
        rows, cpu = min(COMPARED, 8 if self.options.short else COMPARED), Engine(device="cpu")
        _computed(cpu, family, len(cpu.devices))
        seconds, _, there = _computed(cpu, family, rows)
        _, _, here = _computed(self.engine, family, rows)
        ratio = 1e3 * seconds / rows / self.lines[0].ms
        facts = {name: _apart(here, there, name) for name in ("s_norm", "margin")}
        classes = int(np.sum(here["separable"].values != there["separable"].values))
        self.agreement = AGREEMENT.format(
            rows=rows, kernel=title(family), cores=len(cpu.devices), ratio=ratio, classes=classes, **facts
        )
        self.write()

    @property
    def text(self) -> str:
        """The page."""
        tables = {"limits": markdown(self.limits), "kernels": markdown(self.lines), "agreement": self.agreement}
        missing = f"Left out for want of time: {'; '.join(self.left_out)}." if self.left_out else ""
        page = LEGEND.format(repetitions=self.repetitions, left_out=missing, **tables)
        return page + ("Tiny sizes: none of these numbers means anything.\n" if self.options.short else self._hours())

    def _hours(self) -> str:
        """Return what experiment 1 would take, from the rows of its size that were timed."""
        sweep = preset("s_statistics")
        families = {title(family): family.tasks[0].model.d for family in sweep.families()}
        timed = {families[line.kernel]: line.ms for line in self.lines if line.kernel in families}
        if not timed:
            return ""
        places = sorted(timed)
        ms = np.interp(list(families.values()), places, [timed[d] for d in places])
        return HOURS.format(rows=sweep.rows_total, hours=float(np.sum(ms)) * sweep.realizations / 3.6e6)

    def write(self) -> None:
        """Write the tables."""
        folder = self.options.out or (None if self.options.short else FOLDER)
        if not folder:
            return
        device, told = self.engine.devices[0], " --short" * self.options.short
        command = (
            f"python -m benchmarks.gpu --platform {self.options.platform} --minutes {self.options.minutes:g}{told}"
        )
        facts = circumstances(command, f"{device.device_kind} ({device.platform})")
        facts |= {f"{each.what}, {each.size}": f"{each.value:.4g} {each.unit}" for each in self.limits}
        write(folder / "gpu", self.lines, self.text, facts)


def _computed(engine: Engine, family: Family, rows: int) -> tuple[float, float, Columns]:
    """Return the seconds that rows take, how full the lanes were, and the columns."""
    told: dict[str, int] = defaultdict(int)

    def watch(what: str, count: int) -> None:
        told[what] += count

    start = time.perf_counter()
    columns = engine.compute(Chunk(family, 0, rows), watch)
    return time.perf_counter() - start, told["served"] / max(1, told["taken"]), columns


def failures(columns: Columns) -> int:
    """Return how many rows failed."""
    if "diverged" in columns:
        return int(np.sum(columns["diverged"].values))
    return int(np.sum(~columns["certified" if "certified" in columns else "converged"].values))


def _apart(here: Columns, there: Columns, name: str) -> float:
    """Return the largest relative difference of a column, where both have it."""
    one, other = (np.ma.masked_array(columns[name].values) for columns in (here, there))
    differences = np.ma.compressed(np.ma.abs(one / other - 1))
    return float(np.max(differences, initial=0))


def _least(kernel: str, device: Machine) -> float:
    """Return the least milliseconds of a row; nan where its executions were not counted."""
    sites = counted().get(kernel)
    return 1e3 * sum(device.parts(sites).values()) if sites else float("nan")


def counted() -> dict[str, Sites]:
    """Return what a row of each kernel executes alone, as `benchmarks.roofline` has counted it."""
    found: dict[str, Sites] = defaultdict(list)
    with (FOLDER / "roofline.csv").open(newline="") as file:
        for row in csv.DictReader(line for line in file if not line.startswith("#")):
            if row["lanes"] == "1":
                d = int(row["kernel"].partition("d = ")[2].partition(",")[0])
                numbers = 1e6 * float(row["MF"]), 1e6 * float(row["MB"])
                site = Site(row["place"], row["kind"], row["precision"], d, *numbers)
                found[row["kernel"]].append((site, float(row["executions"])))
    return found


if __name__ == "__main__":
    main()
