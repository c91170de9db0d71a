"""`python -m benchmarks.roofline`: what each kernel computes and reads, and the least time an H100 needs for it.

The engine's own rows are traced and evaluated on a CPU with a counter beside each product, factorisation and
triangular solve, inside loops and branches, too: executions are counted, not guessed. Everything else is arithmetic.
Elementwise work is taken to be fused into these and free, their operands to be read once an execution. The least
time of an execution is the longer of its bytes over the bandwidth and its flops over the rate; a kernel's is their sum.
"""

import argparse
import csv
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import table
from benchmarks.counting import Counter, Site, Sites, Tally
from benchmarks.timing import limited
from sweepjax.engine import sizes
from sweepjax.engine.engine import Engine
from sweepjax.engine.pool import advance
from sweepjax.engine.programs import kernel_of
from sweepjax.engine.slots import empty, queue_of
from sweepjax.engine.widths import rows_of
from sweepjax.identity import name_of
from sweepjax.models.logistic import Logistic
from sweepjax.presets import preset
from sweepjax.solvers.gradient_descent import GradientDescent
from sweepjax.solvers.gradient_flow import GradientFlow
from sweepjax.solvers.limit import Limit
from sweepjax.sweep.times import recorded_times
from sweepjax.types import Family, Task

FOLDER = Path("results") / "benchmarks"
CHANGE = {
    "memory": "fewer passes over the data, or narrower data",
    "products": "fewer Hessians, or narrower ones",
    "Cholesky": "fewer factorisations, or a faster routine",
}
EXPERIMENTS = {  # presets, and the d at which they are counted
    "s_statistics": (930, 1110, 1176, 1191),
    "margins": (1230, 1380, 1560),
    "grokking_times": (40, 160, 200, 360),
}


class Machine(NamedTuple):
    """Bytes a second, flops a second by precision, and those of Cholesky by precision and size."""

    bandwidth: float
    rates: dict[str, float]
    cholesky: Callable[[str, int], float]

    def least(self, site: Site) -> tuple[float, str]:
        """Return the least seconds of one execution, and what bounds it."""
        factor = site.kind in ("Cholesky", "eigenvectors")
        rate = self.cholesky(site.precision, site.size) if factor else self.rates[site.precision]
        return max((site.bytes / self.bandwidth, "memory"), (site.flops / rate, "Cholesky" if factor else "products"))

    def parts(self, sites: Sites) -> dict[str, float]:
        """Return the least seconds that memory, products and Cholesky bound; their sum is the kernel's."""
        spent = dict.fromkeys(CHANGE, 0.0)
        for site, count in sites:
            seconds, bound = self.least(site)
            spent[bound] += count * seconds
        return spent


PEAKS = {"float64": 67e12, "float32": 67e12, "bfloat16": 990e12}
FAST, SLOW = (Machine(3.35e12, PEAKS, lambda precision, size, rate=rate: rate) for rate in (5e12, 5e11))


def kernels(*, short: bool) -> list[Family]:
    """Return what is counted or timed, at the sizes of the paper or tiny."""
    flow, descent = GradientFlow(), GradientDescent(learning_rate=0.1)
    if short:
        return [*(_family(40, d, Limit()) for d in (16, 24)), _family(40, 16, flow, 10), _family(40, 16, descent, 50)]
    shapes = [(400, d) for d in (160, 192, 200, 240)] + [(2400, d) for d in (930, 1110, 1176, 1191, 1380)]
    flows = [_family(400, 192, flow, 1e6, sigma) for sigma in (1.0, 5.0)]
    walks = [_family(400, 192, descent, 20_000), _family(2400, 1110, descent, 2000)]
    return [*(_family(n, d, Limit()) for n, d in shapes), *flows, *walks]


def _family(n: int, d: int, solver: Any, until: float | None = None, sigma: float = 1.0) -> Family:
    return Family((Task(Logistic(n=n, d=d, sigma=sigma), solver, times=recorded_times(solver.clock, until)),))


def title(family: Family) -> str:
    """Return how a family is named in the tables."""
    task = family.tasks[0]
    end = f" to {task.times[-1]:.0e}" if task.times[1:] else ""
    sizes = {"n": "n", "d": "d", "sigma": "σ", "alpha": "α", "l1": "λ₁"}
    known = {symbol: getattr(task.model, name) for name, symbol in sizes.items() if hasattr(task.model, name)}
    fields = [f"{symbol} = {value:g}" for symbol, value in known.items()]
    system = [] if isinstance(task.model, Logistic) else [name_of(task.model)]
    return ", ".join([*system, f"{name_of(task.solver)}{end}", *fields])


@cache
def tally(family: Family, rows: int, lanes: int, most: int = 0) -> Tally:
    """Count the first rows of a family, so many lanes side by side as the engine does it, in a queue for `most`."""
    print(f"{title(family)}: counting {rows} rows, {lanes} at a time ...", file=sys.stderr, flush=True)
    count, pool, *rest = _counter(family, lanes, max(rows, most))
    with jax.enable_x64(True), limited(1, "blas"):  # as the engine does, whose threads are the devices
        places = np.arange(max(rows, most))
        return count(pool, queue_of(places, rows_of(family, places), rows), *rest)


@cache
def _counter(family: Family, lanes: int, most: int) -> tuple[Any, ...]:
    """Return a compiled counter for a queue of so many rows, an empty pool and what else the counter takes."""
    with jax.enable_x64(True):
        steps = sizes.shape(lanes, family, Engine(device="cpu").devices)
        task, row = family.tasks[0], jax.tree.map(lambda leaf: leaf[0], rows_of(family, np.arange(1)))
        rest = np.asarray(task.times, dtype=np.float64), np.asarray(True)
        kernel = partial(kernel_of, task, lanes, row)
        pool = jax.jit(lambda: empty(kernel(jnp.asarray(rest[0]), jnp.asarray(True)), row, steps.slots))()
        places = np.arange(most)

        def program(pool: Any, queue: Any, times: Any, always: Any) -> Any:
            return advance(kernel(times, always), lanes, pool, queue)

        closed = not task.solver.stages  # a row in closed form is little but operations on single numbers
        queue = queue_of(places, rows_of(family, places), most)
        counter = Counter(program, pool, queue, *rest, elementwise=closed)
    return counter.tally, pool, *rest


class Line(NamedTuple):
    """A kernel on an H100, all of a draw: what is done, and the least milliseconds."""

    kernel: str
    rows: int
    lanes: int
    factorisations: float
    GB: float
    GF_float32: float
    GF_float64: float
    GF_Cholesky: float
    ms_memory: float
    ms_products: float
    ms_cholesky: float
    ms: float
    ms_slow_cholesky: float
    ms_bfloat16: float
    bound: str
    to_change: str


def line(family: Family, *, together: bool) -> Line:
    """Count a few draws of a kernel, one by one or all together."""
    rows = 8 if family.tasks[0].model.n <= 400 else 2
    lanes = rows if together else 1
    sites = tally(family, rows, lanes).sites
    factors = [(site, count) for site, count in sites if site.kind == "Cholesky"]
    rest = [[pair for pair in sites if pair[0].precision == name and pair not in factors] for name in PEAKS]
    flops = [sum(site.flops * count for site, count in group) / 1e9 for group in (rest[1], rest[0], factors)]
    done = lanes * sum(count for _, count in factors), sum(site.bytes * count for site, count in sites) / 1e9, *flops
    parts, narrow = FAST.parts(sites), [(site.narrowed(), count) for site, count in sites]
    least = *parts.values(), *(sum(part.values()) for part in (parts, SLOW.parts(sites), FAST.parts(narrow)))
    bound = max(parts, key=lambda name: parts[name])
    each = (value / rows for value in (*done, *(1e3 * seconds for seconds in least)))
    return Line._make([title(family), rows, lanes, *each, bound, CHANGE[bound]])


class Pass(NamedTuple):
    """One execution of a site, of all lanes together, and how often a row or a batch of lanes executes it."""

    kernel: str
    lanes: int
    place: str
    kind: str
    precision: str
    executions: float
    MF: float
    MB: float
    least_microseconds: float
    bound: str


def passes(family: Family, counted: Line) -> list[Pass]:
    """Return the sites of a kernel that are executed."""
    head, batches = (counted.kernel, counted.lanes), counted.rows / counted.lanes
    return [
        Pass(*head, *site[:3], count / batches, site.flops / 1e6, site.bytes / 1e6, 1e6 * seconds, bound)
        for site, count in tally(family, counted.rows, counted.lanes).sites
        for seconds, bound in [FAST.least(site)]
        if count
    ]


class Total(NamedTuple):
    """The least hours of an experiment on one H100."""

    preset: str
    counted_at_d: str
    rows: int
    lanes: int
    hours: float
    hours_slow_cholesky: float
    hours_bfloat16: float


def total(name: str, *, together: bool) -> Total:
    """Count a preset at a few d and interpolate the least times between them."""
    sweep, counted = preset(name), EXPERIMENTS[name]
    families = {family.tasks[0].model.d: family for family in sweep.families()}
    lines = [line(families[d], together=together) for d in counted]
    columns = zip(*(one[Line._fields.index("ms") :][:3] for one in lines), strict=True)
    hours = (sum(np.interp(list(families), counted, ms)) * sweep.realizations / 3.6e6 for ms in columns)
    return Total._make([name, ", ".join(map(str, counted)), sweep.rows_total, lines[0].lanes, *hours])


def calls_on_cuda(families: Iterable[Family]) -> str:
    """Lower the engine's programs for CUDA, which need not be here, and name the library routines they call."""
    texts = [Engine(device="cpu", lanes=2).lower(family, "cuda").as_text() for family in families]
    found = {name for text in texts for name in re.findall(r"custom_call @(\w+)", text)}
    return ", ".join(sorted(found - {"Sharding", "SPMDFullToShardShape", "SPMDShardToFullShape"})) or "none"


def circumstances(command: str, device: str) -> dict[str, str]:
    """Say by what command, when, where and with what versions a table was made."""
    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "device": device,
        "cpu": table.cpu(),
        "versions": ", ".join(f"{name} {version(name)}" for name in ("sweepjax", "jax", "jaxlib", "numpy")),
        "git": table.git(),
    }


def markdown(rows: Sequence[Any]) -> str:
    """Return rows of one kind as a table; underscores stand for blanks."""
    if not rows:
        return "None.\n"
    cells = [[f"{value:.3g}" if isinstance(value, float) else str(value) for value in row] for row in rows]
    head = [name.replace("_", " ") for name in rows[0]._fields]
    return "".join(f"| {' | '.join(line)} |\n" for line in [head, ["---"] * len(head), *cells])


def write(path: Path, rows: Sequence[Any], text: str, facts: dict[str, str]) -> None:
    """Write the rows as CSV, whose first lines begin with "#", and the text as Markdown, under the same facts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".csv").open("w", newline="") as file:
        file.writelines(f"# {name}: {value}\n" for name, value in facts.items())
        csv.writer(file).writerows([rows[0]._fields, *rows])
    lines = "".join(f"* {name}: {value}\n" for name, value in facts.items())
    path.with_suffix(".md").write_text(f"{lines}\n{text}", encoding="utf-8")


LEGEND = """# The least times of an H100: counted work, assumed rates, nothing timed

Peaks of an H100 SXM from NVIDIA's data sheet: 3.35 TB/s; 67 TF/s in float64 (tensor cores) and in float32 (without
them), 990 TF/s in bfloat16 (dense). **The rate of batched Cholesky is the unknown**: 5 TF/s are assumed, and in the
columns "slow cholesky" 0.5. A site's least time is max(bytes/bandwidth, flops/rate), a kernel's the sum over its
sites, by what bounds them. Columns "bfloat16": all products of two matrices as if in that precision, the most that
narrower Hessians could gain; the certificate's has to stay in float64. "Factorisations" are of both precisions. Bytes
are operands and results, of triangular matrices half; drawing the data and elementwise work are left out. All are
lower bounds.

Executions are those of the first rows of seed 0, counted on a CPU. One lane is what the draws need. With several
lanes, as a GPU computes, both sides of a branch are executed and all lanes wait for the last; a GPU has more lanes
than were counted (about 10^8/(n d)), and waits longer.
"""


def report(*, short: bool) -> tuple[list[Pass], str]:
    """Count everything; return the sites and the text."""
    families = kernels(short=short)
    counted = [(family, line(family, together=together)) for family in families for together in (False, True)]
    sites = [one for pair in counted for one in passes(*pair)]
    text = [LEGEND, "## A draw\n", markdown([row for _, row in counted])]
    if not short:
        sums = [total(name, together=together) for name in EXPERIMENTS for together in (False, True)]
        text += ["## Experiments 1, 2 and 3\n", markdown(sums)]
    spent: dict[tuple[Any, ...], float] = defaultdict(float)
    for one in sites:
        spent[one[:2]] += one.executions * one.least_microseconds
    largest = [one for one in sites if one.executions * one.least_microseconds > 0.1 * spent[one[:2]]]
    text += ["## Sites of more than a tenth of a kernel's least time (roofline.csv has all)\n", markdown(largest)]
    return sites, "\n".join([*text, f"Library routines of the programs lowered for CUDA: {calls_on_cuda(families)}.\n"])


def main() -> None:
    """Count, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.roofline", description=__doc__)
    parser.add_argument("--short", action="store_true", help="tiny sizes: only shows that everything runs")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where the tables go (full ones: {FOLDER})")
    options = parser.parse_args()
    rows, text = report(short=options.short)
    print(text)
    if folder := options.out or (None if options.short else FOLDER):
        command = f"python -m benchmarks.roofline{' --short' if options.short else ''}"
        write(folder / "roofline", rows, text, circumstances(command, "none; an H100 SXM is assumed"))


if __name__ == "__main__":
    main()
