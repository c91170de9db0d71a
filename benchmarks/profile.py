"""`python -m benchmarks.profile`: what the time of a draw goes to on this machine, and what of it is unavoidable.

The engine's programs are timed on all devices. The executions of every product, factorisation and triangular solve are
counted on the same rows (as `benchmarks.roofline` does it) and taken at the best rates that this machine shows in the
same run; drawing the data is timed alone. What is left is elementwise work, and what is slower than these rates.
"""

import argparse
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from benchmarks.hardware import hardware
from benchmarks.kernel import ENGINE, Call
from benchmarks.roofline import FOLDER, Machine, circumstances, kernels, markdown, tally, title, write
from benchmarks.timing import seconds
from sweepjax.engine.dealing import deal
from sweepjax.engine.drawing import drawn
from sweepjax.keys import realization_keys
from sweepjax.types import Chunk, Family

CALLS, REPETITIONS = 4, 5  # of a program with rows of its own each; of the timing
LEGEND = """# Where the time goes

Milliseconds a draw: seconds of all devices together / draws, medians of {repetitions} repetitions, compiled before.
Memory, products and Cholesky are least times: Σ executions × max(bytes / bandwidth, flops / rate) over all products,
factorisations and triangular solves of these very draws, by what bounds them, at the rates of the line `limits`
(bandwidth: of the cache where a dataset stays in it). Drawing is measured. The share is their sum over the time; the
rest is elementwise work (exponentials, line searches, copies) and what is slower than these rates.

{lines}"""


class Line(NamedTuple):
    """A kernel, a draw, in milliseconds of all devices."""

    kernel: str
    draws: int
    ms: float
    ms_drawing: float
    ms_memory: float
    ms_products: float
    ms_cholesky: float
    share: float


def line(family: Family, repetitions: int) -> Line:
    """Time a kernel and its draws, and count what it computes."""
    rows, first = ENGINE.shape(family).rows, ENGINE.devices[0]
    count = rows * CALLS
    index = np.arange(count, dtype=np.uint32).reshape(CALLS, rows)
    ENGINE.program(family)
    model = family.tasks[0].model
    with jax.enable_x64(True):
        draw = jax.jit(_summed).lower(model, index[0]).compile()
        drawings = [(draw, jax.device_put((model, part), first)) for part in index]
    ms, drawing = (
        1e3 * statistics.median(seconds(work) for _ in range(repetitions)) / count
        for work in (partial(ENGINE.compute, Chunk(family, 0, count)), partial(_executed, drawings))
    )
    parts = [1e3 * least / count for least in machine(model.n * model.d).parts(tally(family, count, 1).sites).values()]
    return Line._make([title(family), count, ms, drawing, *parts, (drawing + sum(parts)) / ms])


def _summed(model: Any, index: Array) -> Array:
    """Draw datasets, each where the last one was, as a program does that goes on to solve it."""

    def one(realization: Array) -> Array:
        data = drawn(model, realization_keys(model, np.uint32(0), realization).data, np.bool_(True))
        return jnp.sum(data.x)

    return lax.map(one, index)


def machine(elements: int) -> Machine:
    """Return all devices together as the roofline sees them, for datasets of so many numbers."""
    rates = hardware()
    products = {"float64": rates.product, "float32": rates.product_float32}
    factors = {"float64": rates.cholesky, "float32": rates.cholesky_float32}
    return Machine(rates.bandwidth(elements), products, lambda precision, size: factors[precision])


def _executed(calls: list[Call]) -> list[Any]:
    def hand(calls: Iterator[Call], give: Any) -> None:
        for program, arguments in calls:
            give(jax.block_until_ready(program(*arguments)))

    return list(deal([hand for _ in ENGINE.hands], calls))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--short", action="store_true", help="tiny sizes: only shows that everything runs")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where the tables go (full ones: {FOLDER})")
    options = parser.parse_args()
    repetitions = 1 if options.short else REPETITIONS
    lines = [line(family, repetitions) for family in kernels(short=options.short)]
    text = LEGEND.format(repetitions=repetitions, lines=markdown(lines))
    print(text)
    if folder := options.out or (None if options.short else FOLDER):
        command = f"python -m benchmarks.profile{' --short' if options.short else ''}"
        facts = circumstances(command, f"{len(ENGINE.devices)} CPU devices") | {"limits": str(hardware())}
        write(folder / "profile", lines, text, facts)


if __name__ == "__main__":
    main()
