"""What the machine can do at most, measured in the same run, and how long the unavoidable part of a job then takes."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.linalg.lapack import dpotrf, spotrf

from benchmarks.kernel import ENGINE
from benchmarks.timing import limited

SIDE, REPETITIONS = 1200, 7  # of the matrices; the best of so many counts
SMALL, LARGE = 400 * 192, 2400 * 1110  # floats of a dataset that stays in a core's cache, and of one that doesn't


class Hardware(NamedTuple):
    """Rates of all devices together: flop/s, and bytes/s as NumPy's fastest reader, a maximum, reads float32."""

    product: float
    product_float32: float
    cholesky: float
    cholesky_float32: float
    cache: float
    memory: float

    def __str__(self) -> str:
        rates = f"products {self.product / 1e9:.0f} GF/s, Cholesky factors {self.cholesky / 1e9:.0f} GF/s in float64"
        rates += f"; {self.product_float32 / 1e9:.0f} and {self.cholesky_float32 / 1e9:.0f} in float32"
        return f"{rates}; {self.cache / 1e9:.0f} GB/s read from the cache, {self.memory / 1e9:.0f} GB/s from memory"

    def minimum(self, n: int, d: int) -> float:
        """Seconds of one minimum: half a Gram matrix, n d² flop, and its Cholesky factor, d³/3, both in float64."""
        return n * d * d / self.product + d**3 / 3 / self.cholesky

    def reads(self, passes: float, n: int, d: int) -> float:
        """Seconds to read a float32 dataset so often."""
        return passes * 4 * n * d / self.bandwidth(n * d)

    def bandwidth(self, floats: int) -> float:
        """Bytes a second at which a dataset of so many floats is read."""
        return self.cache if floats <= 2 * SMALL else self.memory


@cache
def hardware() -> Hardware:
    """Measure, with one thread on each core."""
    rng = np.random.default_rng(0)
    a = rng.standard_normal((SIDE, SIDE))
    positive = np.asfortranarray(a @ a.T + SIDE * np.eye(SIDE))
    narrow, narrow_positive = a.astype(np.float32), positive.astype(np.float32)
    return Hardware(
        _rate(lambda: a @ a, 2 * SIDE**3),
        _rate(lambda: narrow @ narrow, 2 * SIDE**3),
        _rate(lambda: dpotrf(positive, lower=1), SIDE**3 / 3),
        _rate(lambda: spotrf(narrow_positive, lower=1), SIDE**3 / 3),
        _reading(SMALL, 400),
        _reading(LARGE, 8),
    )


def _reading(floats: int, times: int) -> float:
    """Return the rate at which floats are read again and again, in one call of NumPy."""
    repeated = np.broadcast_to(np.ones(floats, dtype=np.float32), (times, floats))
    return _rate(lambda: np.maximum.reduce(repeated, axis=1), 4 * floats * times)


def _rate(work: Callable[[], object], amount: float) -> float:
    """Return amount a second of as many workers as there are devices, at its best."""
    count = len(ENGINE.devices)
    with ThreadPoolExecutor(count) as pool, limited(1):
        return count * amount / min(_seconds(pool, work, count) for _ in range(REPETITIONS))


def _seconds(pool: ThreadPoolExecutor, work: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    list(pool.map(lambda _: work(), range(count)))
    return time.perf_counter() - start
