"""Where ratios of two sizes cross, and whether a number grows like a power or like a logarithm."""

from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray
from scipy.optimize import least_squares

from sweepjax.reducers._intervals import NORMAL_95

Array = NDArray[np.float64]
GRID, LEAST = 401, 3  # places where curves are compared; points of a law


class Ratio(NamedTuple):
    """A dimensionless number of one size at some values of λ, [m], and of its resampled rows, [b m]."""

    control: Array
    values: Array
    samples: Array


class Law(NamedTuple):
    """The power or the factor of a logarithm with its interval, χ², its degrees of freedom, and Akaike's criterion."""

    name: str
    value: float
    low: float
    high: float
    chi_square: float
    dof: int
    aic: float


def crossing(one: Ratio, other: Ratio, degree: int) -> tuple[float, float, float]:
    """Return where smooth curves through two ratios cross, with the 95 % interval of the bootstrap.

    Each curve is a polynomial of some degree in λ, weighted by the spread of the resampled ratios. Where they do not
    cross all is nan, and where more than one in forty pairs of resampled ones does not, the interval is not bounded.
    """
    start, end = max(one.control.min(), other.control.min()), min(one.control.max(), other.control.max())
    if not start < end or min(len(one.control), len(other.control)) <= degree:
        return np.nan, np.nan, np.nan
    grid = np.linspace(start, end, GRID)
    difference = _smooth(one, grid, degree) - _smooth(other, grid, degree)
    place = _zero(grid, difference[:1], np.array([(start + end) / 2]))[0]
    if np.isnan(place):
        return np.nan, np.nan, np.nan
    places = _zero(grid, difference[1:], np.full(len(difference) - 1, place))
    if np.mean(np.isnan(places)) > 1 / 40:
        return place, -np.inf, np.inf
    low, high = np.nanpercentile(places, [2.5, 97.5])
    return place, float(low), float(high)


def laws(at: Array, values: Array, samples: Array) -> list[Law]:
    """Fit log C = A + a log x, a power, and C = A + B log x, a logarithm, to logarithms of C [m] at x.

    Both have two parameters and the same errors, so that Akaike's criterion, χ² + 4, prefers the smaller χ².
    Intervals are those of least squares with known errors.

    Source:
        Akaike (1974), IEEE Trans. Autom. Control 19, 716.
    """
    if len(at) < LEAST:
        return []
    x, spread = np.log(at), samples.std(axis=0, ddof=1)
    slope = np.polyfit(x, values, 1, w=1 / spread)
    line = np.polyfit(x, np.exp(values), 1, w=np.exp(-values) / spread)
    tiny = np.finfo(np.float64).tiny
    forms = {
        "power": (slope, lambda p: p[1] + p[0] * x),
        "logarithm": (line, lambda p: np.log(np.maximum(p[1] + p[0] * x, tiny))),
    }
    return [
        _law(name, start, lambda p, form=form: (form(p) - values) / spread) for name, (start, form) in forms.items()
    ]


def _law(name: str, start: Array, misfit: object) -> Law:
    found = least_squares(misfit, start)  # pyright: ignore[reportArgumentType]
    with np.errstate(all="ignore"):
        variance = float(np.linalg.pinv(found.jac.T @ found.jac)[0, 0])
    value, half, chi_square = float(found.x[0]), NORMAL_95 * variance**0.5, 2 * float(found.cost)
    return Law(name, value, value - half, value + half, chi_square, len(found.fun) - 2, chi_square + 4)


def _smooth(ratio: Ratio, grid: Array, degree: int) -> Array:
    """Return polynomials through the values and through each resampled set of them, [1 + b, grid]."""
    low, high = ratio.control.min(), ratio.control.max()

    def basis(at: Array) -> Array:
        return chebyshev.chebvander((2 * at - low - high) / (high - low), degree)

    weights = 1 / ratio.samples.std(axis=0, ddof=1)
    every = np.vstack([ratio.values, ratio.samples]) * weights
    coefficients = np.linalg.lstsq(basis(ratio.control) * weights[:, None], every.T, rcond=None)[0]
    return (basis(grid) @ coefficients).T


def _zero(grid: Array, curves: Array, near: Array) -> Array:
    """Return the change of sign of each curve that is nearest to a place; nan where there is none."""
    before, after = curves[:, :-1], curves[:, 1:]
    changes = np.sign(before) != np.sign(after)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = grid[:-1] + np.diff(grid) * before / (before - after)
    places = np.where(changes, places, np.nan)
    distance = np.where(changes, np.abs(places - near[:, None]), np.inf)
    best = np.argmin(distance, axis=1)
    return places[np.arange(len(curves)), best]
