"""Statistics that add: moments by the rule of Chan, quantiles by a sketch, both of fixed size."""

from copy import copy
from dataclasses import dataclass
from functools import cache
from math import ceil, floor, inf, nan, sqrt
from typing import Any

import numpy as np
from datasketches import kll_doubles_sketch  # pyright: ignore  # compiled, no stubs
from numpy.typing import NDArray
from scipy.stats import binom

MOST_LARGEST, LEAST_FOR_TAIL = 128, 100


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations, in float64.

    Source:
        Chan, Golub, LeVeque (1983), Am. Stat. 37, 242.
    """

    count: int
    mean: float
    squares: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Moments":
        """Return the moments of some values."""
        if not values.size:
            return cls(0, 0.0, 0.0)
        mean = float(np.mean(values))
        return cls(values.size, mean, float(np.sum((values - mean) ** 2)))

    def __add__(self, other: "Moments") -> "Moments":
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        step = other.mean - self.mean
        squares = self.squares + other.squares + step * step * self.count * other.count / count
        return Moments(count, self.mean + step * other.count / count, squares)

    @property
    def se(self) -> float:
        """Standard error of the mean, s.d./√R; nan for fewer than two values."""
        return sqrt(self.squares / (self.count - 1) / self.count) if self.count > 1 else nan


@dataclass(frozen=True)
class Range:
    """The smallest and largest value seen, of one number or of each; they add to those of both."""

    low: Any = np.inf
    high: Any = -np.inf

    def __add__(self, other: "Range") -> "Range":
        return Range(np.fmin(self.low, other.low), np.fmax(self.high, other.high))


@dataclass(frozen=True)
class Quantiles:
    """Order statistics: exact up to as many values as the sketch's size, then within a known error in rank.

    Source:
        Karnin, Lang, Liberty (2016), "Optimal Quantile Approximation in Streams", arXiv 1603.05346.
    """

    sketch: kll_doubles_sketch

    @classmethod
    def of(cls, values: NDArray[np.float64], size: int) -> "Quantiles":
        """Return the sketch of some values; nan is not a value."""
        sketch = kll_doubles_sketch(size)
        sketch.update(np.require(values, np.float64, ["C", "W"]))
        return cls(sketch)

    def __add__(self, other: "Quantiles") -> "Quantiles":
        sketch = copy(self.sketch)
        sketch.merge(other.sketch)
        return Quantiles(sketch)

    def order_statistic(self, rank: int) -> float:
        """Return the rank-th smallest value, rank 1 … R; nan if there is none."""
        count = self.sketch.n
        return self.sketch.get_quantile((rank - 0.5) / count, inclusive=True) if 1 <= rank <= count else nan

    def quantile(self, fraction: float) -> float:
        """Return a quantile, interpolated between the two neighbouring values as NumPy does."""
        if self.sketch.is_empty():
            return nan
        place = 1 + (self.sketch.n - 1) * fraction
        low, high = (self.order_statistic(rank) for rank in (floor(place), ceil(place)))
        return low if low == high else low + (high - low) * (place - floor(place))

    def median_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return two values that enclose the median of the law, whatever the law; nan below six values.

        The l-th smallest value exceeds the median only if fewer than l of R fair coins show heads.
        """
        count = self.sketch.n
        rank = _heads(count, (1 - confidence) / 2) if count else 0
        return self.order_statistic(rank), self.order_statistic(count + 1 - rank)

    def median(self, name: str) -> dict[str, float]:
        """Return the median by a name, and its 95 % interval by name_low and name_high."""
        low, high = self.median_interval()
        return {name: self.quantile(0.5), f"{name}_low": low, f"{name}_high": high}


@dataclass(frozen=True)
class Largest:
    """The largest magnitudes of some values, and of how many: they tell how fast the tail of a law falls off.

    Source:
        Hill (1975), Ann. Stat. 3, 1163.
    """

    count: int
    values: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> "Largest":
        """Return the largest of some values, whatever their sign."""
        return cls(values.size, _top(np.abs(values)))

    def __add__(self, other: "Largest") -> "Largest":
        return Largest(self.count + other.count, _top(np.concatenate([self.values, other.values])))

    @property
    def tail(self) -> tuple[float, float]:
        """Return a in P(|x| > s) ~ s^(-a), and its standard error; nan below 100 values.

        It is taken from the 2√R largest of R values, at most 128, and 0 where those are infinite.
        """
        used = min(int(2 * sqrt(self.count)), MOST_LARGEST)
        if self.count < LEAST_FOR_TAIL:
            return nan, nan
        ordered = np.sort(self.values)[::-1]
        threshold = ordered[used]
        if np.isinf(ordered[0]):
            return 0.0, 0.0
        rise = float(np.sum(np.log(ordered[:used] / threshold))) if threshold > 0 else 0.0
        return (used / rise, sqrt(used) / rise) if rise > 0 else (inf, nan)


def _top(values: NDArray[np.float64]) -> NDArray[np.float64]:
    most = MOST_LARGEST + 1
    return values if values.size <= most else np.partition(values, values.size - most)[-most:]


@cache
def _heads(coins: int, fraction: float) -> int:
    """Return a quantile of how many of some fair coins show heads."""
    return int(binom.ppf(fraction, coins, 0.5))
