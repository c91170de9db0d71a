"""`python -m benchmarks.gpu`: the kernels on the first GPU, against what that GPU can do at most.

Its limits are measured first, in the same run: memory bandwidth, products of matrices, and batched Cholesky, of which
least is known beforehand. Then the engine's own programs are timed, as wide as the engine runs them, data drawn
included. The least time of a kernel is that of `benchmarks.roofline`, its executions counted on the same rows.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from benchmarks.roofline import FOLDER, Machine, circumstances, kernels, markdown, tally, title, write
from sweepjax.engine.engine import Engine
from sweepjax.engine.sizes import ELEMENTS
from sweepjax.presets import preset
from sweepjax.types import Chunk, Columns, Family

NO_DEVICE = (
    "no device of platform {platform!r} here; run this on a machine with a CUDA GPU, and with jax[cuda12] or "
    "jax[cuda13] installed (--platform cpu --short only shows that it runs)"
)
LEGEND = """# On a GPU

## What the device can do

Medians of {repetitions} repetitions: a triad a + s b of float32 arrays, products of square matrices (float32 without
TF32), and Cholesky of as many matrices at a time as the engine has lanes at n = 2 d.

{limits}
## Kernels

The engine's program, data drawn included; rows of seed 0, medians of {repetitions} repetitions, a draw. Its least time
is Σ executions × max(bytes / bandwidth, flops / rate) over all products, factorisations and triangular solves, with
the rates above (Cholesky: that of the nearest d) and the executions counted on the first batch of lanes; the share is
least time / time. What is failed is uncertified, not converged or diverged. GB/s are the counted bytes over the time.

{kernels}
"""
HOURS = """## Experiment 1 in full

{rows:,} rows of the preset s_statistics (17 d, n = 2400) take **{hours:.2g} hours** on this device: the milliseconds a
draw above, interpolated linearly between the d that were timed. Arithmetic, not a run.
"""


CHUNK = 4  # calls of a program in one chunk


class OneDevice(Engine):
    """An engine that uses the first of its devices."""

    @property
    def devices(self) -> tuple[Any, ...]:
        """The first device."""
        return super().devices[:1]


class Limit(NamedTuple):
    """What a device can do: 10^12 bytes or flops a second."""

    what: str
    size: int
    T_a_second: float


class Line(NamedTuple):
    """A kernel, a draw."""

    kernel: str
    lanes: int
    rows: int
    ms: float
    failed: int
    ms_at_least: float
    ms_memory: float
    ms_products: float
    ms_cholesky: float
    share: float
    GB_a_second: float


def main() -> None:
    """Measure, print and write; without a GPU, say so and leave."""
    options = _options()
    engine, repetitions = OneDevice(device=options.platform, lanes=2 * options.short), 2 if options.short else 7
    try:
        device = engine.devices[0]
    except RuntimeError:
        sys.exit(NO_DEVICE.format(platform=options.platform))
    with jax.default_device(device), jax.enable_x64(True):
        limits = _limits(repetitions, short=options.short)
        lines = [_line(engine, machine(limits), family, repetitions) for family in kernels(short=options.short)]
    text = LEGEND.format(repetitions=repetitions, limits=markdown(limits), kernels=markdown(lines))
    text += "Tiny sizes: none of these numbers means anything.\n" if options.short else experiment(lines)
    print(text)
    if folder := options.out or (None if options.short else FOLDER):
        command = f"python -m benchmarks.gpu --platform {options.platform}{' --short' if options.short else ''}"
        facts = circumstances(command, f"{device.device_kind} ({device.platform})")
        write(
            folder / "gpu", lines, text, facts | {f"{what}, {size}": f"{rate:.4g} T/s" for what, size, rate in limits}
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--short", action="store_true", help="tiny sizes: only shows that everything runs")
    parser.add_argument("--platform", default="cuda", help="another of JAX's platforms, if asked for by name")
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"where the tables go (full ones: {FOLDER})")
    return parser.parse_args()


def _limits(repetitions: int, *, short: bool) -> list[Limit]:
    """Measure bandwidth, products and Cholesky."""
    length, side, sizes = (2**12, 32, (8, 16)) if short else (2**28, 8192, (200, 480, 1110))
    types = jnp.float32, jnp.float64, jnp.bfloat16
    return [
        _triad(length, repetitions),
        *(_product(side, dtype, repetitions) for dtype in types),
        *(_cholesky(d, dtype, repetitions, short=short) for dtype in types[:2] for d in sizes),
    ]


def _triad(length: int, repetitions: int) -> Limit:
    a, b = jnp.ones(length, jnp.float32), jnp.ones(length, jnp.float32)
    seconds = _median(partial(jax.jit(lambda a, b: a + jnp.float32(3) * b), a, b), repetitions)
    return Limit("memory, triad", length, 1e-12 * 3 * 4 * length / seconds)


def _product(side: int, dtype: Any, repetitions: int) -> Limit:
    a = jnp.ones((side, side), dtype)
    # Otherwise float32 could fall to TF32.
    precision = None if dtype == jnp.bfloat16 else lax.Precision.HIGHEST
    seconds = _median(partial(jax.jit(partial(jnp.matmul, precision=precision)), a, a), repetitions)
    return Limit(f"product, {a.dtype}", side, 1e-12 * 2 * side**3 / seconds)


def _cholesky(d: int, dtype: Any, repetitions: int, *, short: bool) -> Limit:
    batch = 2 if short else ELEMENTS // (2 * d * d)
    matrices = jnp.broadcast_to(2 * jnp.eye(d, dtype=dtype) + jnp.asarray(1 / d, dtype), (batch, d, d)).copy()
    factorise = jax.jit(partial(lax.linalg.cholesky, symmetrize_input=False))
    return Limit(
        f"Cholesky, {matrices.dtype}", d, 1e-12 * batch * d**3 / 3 / _median(partial(factorise, matrices), repetitions)
    )


def machine(limits: list[Limit]) -> Machine:
    """Return the device as the roofline sees it; Cholesky is as fast as at the nearest size."""
    rates = {limit.what: 1e12 * limit.T_a_second for limit in limits}
    products = {name.partition(", ")[2]: rate for name, rate in rates.items() if name.startswith("product")}

    def cholesky(precision: str, size: int) -> float:
        known = [limit for limit in limits if limit.what == f"Cholesky, {precision}"]
        return 1e12 * min(known, key=lambda limit: abs(limit.size - size)).T_a_second

    return Machine(rates["memory, triad"], products, cholesky)


def _line(engine: Engine, device: Machine, family: Family, repetitions: int) -> Line:
    lanes, rows = engine.shape(family).lanes, CHUNK * engine.shape(family).rows
    run = partial(engine.compute, Chunk(family, 0, rows))
    ms, failed = 1e3 * _median(run, repetitions) / rows, _failed(run())
    sites = tally(family, lanes, lanes).sites
    parts = [1e3 * seconds / lanes for seconds in device.parts(sites).values()]
    bandwidth = 1e-6 * sum(site.bytes * count for site, count in sites) / lanes / ms
    return Line._make([title(family), lanes, rows, ms, failed, sum(parts), *parts, sum(parts) / ms, bandwidth])


def _failed(columns: Columns) -> int:
    if "diverged" in columns:
        return int(np.sum(columns["diverged"].values))
    return int(np.sum(~columns["certified" if "certified" in columns else "converged"].values))


def experiment(lines: list[Line]) -> str:
    """Return what experiment 1 would take, from the draws of its size that were timed."""
    sweep = preset("s_statistics")
    families = {title(family): family.tasks[0].model.d for family in sweep.families()}
    timed = {families[line.kernel]: line.ms for line in lines if line.kernel in families}
    ms = np.interp(list(families.values()), list(timed), list(timed.values()))
    hours = float(np.sum(ms)) * sweep.realizations / 3.6e6
    return HOURS.format(rows=sweep.rows_total, hours=hours)


def _median(work: Callable[[], Array | Columns], repetitions: int) -> float:
    """Return the median seconds of a call, after one untimed call that compiles."""
    jax.block_until_ready(work())
    return statistics.median(_seconds(work) for _ in range(repetitions))


def _seconds(work: Callable[[], Array | Columns]) -> float:
    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
