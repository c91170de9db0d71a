"""λ = d/n: of lam, n and d two decide the third, in exact decimals, together with whatever is zipped with them."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain, product
from typing import Any, NamedTuple

from sweepjax.sweep.axes import exact, nearest
from sweepjax.sweep.fields import ASPECT
from sweepjax.sweep.grid import Axis
from sweepjax.sweep.zipped import merged

MOST_SHAPES = 10**6
LONGEST_SIDE = 2**31 - 1


class Quantised(NamedTuple):
    """The λ that was typed, the n and d that it becomes, and the values that are zipped with them."""

    lam: float
    n: int
    d: int
    others: tuple[Any, ...] = ()


class Aspect(NamedTuple):
    """Every point that the axes of lam, n and d span, and the names of the fields that are zipped with them."""

    points: tuple[Quantised, ...]
    others: tuple[str, ...] = ()

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """The distinct (n, d), ascending."""
        return tuple(sorted({(point.n, point.d) for point in self.points}))

    @property
    def axis(self) -> Axis:
        """The axis of n, d and the fields that are zipped with them, each point as often as it was typed."""
        return Axis(("n", "d", *self.others), tuple((n, d, *others) for _, n, d, others in self.points))

    def notes(self) -> list[str]:
        """Say how far rounding moves λ, and how many points fall together."""
        change = max(abs(exact(lam) - Fraction(d, n)) for lam, n, d, _ in self.points)
        beside = ", and what it is zipped with stays" if self.others else ""
        moved = [f"lam is d/n: rounding moves it by at most {float(change):.2g}{beside}"] if change > 1e-12 else []
        return moved + merged(self.axis.names, self.axis.points)


def aspect_of(axes: Sequence[Axis]) -> Aspect:
    """Return the points that axes span: d = round(λ n) or n = round(d/λ), halves rounded up."""
    names = [name for axis in axes for name in axis.names]
    others = tuple(name for name in names if name not in ASPECT)
    if math.prod(len(axis.points) for axis in axes) > MOST_SHAPES:
        raise ValueError(f"lambda, n and d span over {MOST_SHAPES} shapes, each its own program; give fewer values")
    points = product(*(axis.points for axis in axes))
    return Aspect(tuple(_quantised([dict(zip(names, chain(*point), strict=True)) for point in points], others)), others)


def _quantised(points: list[dict[str, Any]], others: tuple[str, ...]) -> Iterator[Quantised]:
    for point in points:
        lam, n, d = (point.get(name) for name in ASPECT)
        if n == 0:
            raise ValueError("n = 0 is not allowed, since lambda is d/n; give numbers at least 1, or rename n")
        n = _side("n", lam, d) if n is None else n
        d = _side("d", lam, n) if d is None else d
        yield Quantised(d / n if lam is None else lam, n, d, tuple(point[name] for name in others))


def _side(name: str, lam: Any, other: Any) -> int:
    value = nearest(exact(lam) * other if name == "d" else Fraction(other) / exact(lam))
    if not 1 <= value <= LONGEST_SIDE:
        side = "n" if name == "d" else "d"
        raise ValueError(f"lambda = {lam:g} at {side} = {other} makes {name} = {value:.6g}; change lambda or {side}")
    return value
