"""One curve for all sizes: C = N^a f((λ - λ_c) N^(1/ν)) fitted to numbers of many points and sizes at once."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

Array = NDArray[np.float64]
NAMES = ("critical", "nu", "exponent")
RIDGE = 1e-9  # of the variance, where quantiles of few values coincide
STEPS, LONGEST = 30, (0.1, 0.5)  # of a search: how many, and how long each may be in (λ_c, log 1/ν)
LEAST_RATE, MOST_RATE = np.log(0.05), np.log(3.0)  # of 1/ν


@dataclass(frozen=True)
class Points:
    """Logarithms of k numbers at m points, of so many values each, and of their resampled values."""

    control: Array  # [m]
    size: Array  # [m]
    counts: Array  # [m]
    values: Array  # [m k]
    samples: Array  # [b m k]

    @cached_property
    def whitening(self) -> Array:
        """Return the matrices [m k k] that give the numbers of a point unit covariance.

        Spreads are smoothed over the points, and their correlations averaged: weights that follow the noise of each
        point would make the fit noisier than its resampled copies, which share them.
        """
        spread = self.samples.std(axis=0, ddof=1)
        scaled = (self.samples - self.samples.mean(axis=0)) / spread
        correlation = np.einsum("bmi,bmj->ij", scaled, scaled) / ((len(scaled) - 1) * len(spread))
        smooth = self._smoothed(np.log(spread * np.sqrt(self.counts)[:, None])) / np.sqrt(self.counts)[:, None]
        covariance = correlation * smooth[:, :, None] * smooth[:, None, :]
        ridge = RIDGE * np.einsum("mii->m", covariance)[:, None, None] * np.eye(covariance.shape[-1])
        return np.linalg.inv(np.linalg.cholesky(covariance + ridge))

    def _smoothed(self, logs: Array) -> Array:
        """Return the exponentials of a quadratic form in λ and log N through some logarithms [m k]."""
        u, v = ((each - each.mean()) / np.ptp(each) for each in (self.control, np.log(self.size)))
        shapes = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
        return np.exp(shapes @ np.linalg.lstsq(shapes, logs, rcond=None)[0])


@dataclass(frozen=True)
class Form:
    """What is fitted: polynomials of some degree for log f, which numbers are known, corrections N^(-ω) h(x)."""

    degree: int
    omega: float  # 0: no corrections
    correction_degree: int
    known: tuple[float, float, float]  # λ_c, ν, a; nan: fitted


class Fit(NamedTuple):
    """λ_c, ν and a with the ends of their 95 % intervals, [3] each, and how well one curve fits all points."""

    values: Array
    low: Array
    high: Array
    chi_square: float
    dof: int


def fit(points: Points, form: Form) -> Fit:
    """Fit all points at once, from several starts, then each resampled set of them from there.

    Intervals are from the 2.5 % to the 97.5 % quantile of the resampled fits.

    Source:
        Davison, Hinkley, Bootstrap Methods and their Application, ch. 5; Slevin, Ohtsuki (1999), Phys. Rev. Lett. 82,
        382, for corrections to scaling; Golub, Pereyra (1973), SIAM J. Numer. Anal. 10, 413, for the elimination of
        whatever enters linearly.
    """
    problem = _Problem(points, form)
    if problem.dof < 1:
        numbers = points.values.size
        raise ValueError(f"{numbers} numbers are too few for a fit of as many parameters; lower degree")
    values, starts = problem.whitened(points.values[None]), problem.starts()
    ends, exponents, costs = problem.search(starts, np.repeat(values, len(starts), axis=0))
    best = int(np.argmin(costs))
    again = np.repeat(ends[best : best + 1], len(points.samples), axis=0)
    drawn_ends, drawn_exponents, _ = problem.search(again, problem.whitened(points.samples))
    middle = _scales(ends[best : best + 1], exponents[best : best + 1])[0]
    low, high = np.percentile(_scales(drawn_ends, drawn_exponents), [2.5, 97.5], axis=0)
    unscaled = (np.array([end[0], np.exp(end[1]), end[2]]) for end in (middle, low, high))
    return Fit(*unscaled, chi_square=float(costs[best]), dof=problem.dof)


def _scales(ends: Array, exponents: Array) -> Array:
    return np.column_stack([ends[:, 0], -ends[:, 1], exponents])


class _Problem:
    """Least squares in (λ_c, log 1/ν) for many sets of values at once; all else enters linearly and is eliminated."""

    def __init__(self, points: Points, form: Form) -> None:
        self.points, self.form, self.curves = points, form, points.values.shape[1]
        self.log_size = np.log(points.size)
        self.free = np.isnan(form.known[:2])
        self.known_exponent = None if np.isnan(form.known[2]) else form.known[2]
        self.correction = points.size[:, None] ** -form.omega if form.omega else None
        shapes = form.degree + 1 + (form.correction_degree + 1 if form.omega else 0)
        fitted = self.curves * shapes + int(self.free.sum()) + (self.known_exponent is None)
        self.dof = points.values.size - fitted

    def starts(self) -> Array:
        """Return where a search begins: the cross product of some λ_c and 1/ν, or of the known ones."""
        critical, nu, _ = self.form.known
        places = np.quantile(self.points.control, [0.3, 0.5, 0.7]) if self.free[0] else [critical]
        rates = np.log([0.3, 0.5, 1.0]) if self.free[1] else [-np.log(nu)]
        return np.array([(place, rate) for place in places for rate in rates])

    def whitened(self, values: Array) -> Array:
        """Return values [b m k] with unit covariance, known powers of N taken out, as [b k·m]."""
        shifted = values - (self.known_exponent or 0.0) * self.log_size[:, None]
        return self._whiten(np.moveaxis(shifted, 2, 1)[..., None])[..., 0].reshape(len(values), -1)

    def search(self, ends: Array, values: Array) -> tuple[Array, Array, Array]:
        """Return where the sums of squares are least (Levenberg, Marquardt), the exponents a there, and the sums."""
        damping = np.full(len(ends), 1e-3)
        now = self._evaluate(ends, values)
        for _ in range(STEPS):
            normal = np.einsum("bij,bik->bjk", now.slopes, now.slopes)
            down = np.einsum("bij,bi->bj", now.slopes, now.residuals)
            diagonal = damping[:, None, None] * normal * np.eye(2) + 1e-12 * np.eye(2)
            step = np.clip(np.linalg.solve(normal + diagonal, down[..., None])[..., 0], np.negative(LONGEST), LONGEST)
            tried = ends - np.where(self.free, step, 0.0)
            if self.free[1]:
                tried[:, 1] = np.clip(tried[:, 1], LEAST_RATE, MOST_RATE)
            then = self._evaluate(tried, values)
            better = then.cost <= now.cost
            ends = np.where(better[:, None], tried, ends)
            damping = np.clip(np.where(better, damping / 4, damping * 6), 1e-9, 1e6)
            now = _State(*(_where(better, new, old) for new, old in zip(then, now, strict=True)))
        return ends, now.exponents, now.cost

    def _evaluate(self, ends: Array, values: Array) -> "_State":
        rate = np.exp(ends[:, 1:])
        scale = self.points.size**rate
        x = (self.points.control - ends[:, :1]) * scale
        width = np.ptp(x, axis=1, keepdims=True)
        u = 2 * (x - x.min(axis=1, keepdims=True)) / width - 1
        shapes, tangents = self._shapes(u), self._shapes(u, derivative=True)
        q, r = np.linalg.qr(self._whiten(self._design(shapes)).reshape(*values.shape, -1))
        inner = np.einsum("bij,bi->bj", q, values)
        residuals = values - np.einsum("bij,bj->bi", q, inner)
        linear = np.linalg.solve(r, inner[..., None])[..., 0]
        first = int(self.known_exponent is None)
        exponents = linear[:, 0] if first else np.full(len(ends), self.known_exponent)
        slope = np.einsum("bmp,bkp->bkm", tangents, linear[:, first:].reshape(len(ends), self.curves, -1))
        slope = slope * (2 / width)[:, None]
        along = [slope * by[:, None] for by in (-scale, x * self.log_size * rate)]
        slopes = np.stack([self._whiten(each[..., None])[..., 0].reshape(values.shape) for each in along], axis=-1)
        slopes = np.where(self.free, slopes - q @ (np.swapaxes(q, 1, 2) @ slopes), 0.0)
        return _State(residuals, -slopes, exponents, np.sum(residuals**2, axis=1))

    def _shapes(self, u: Array, *, derivative: bool = False) -> Array:
        """Return the polynomials [b m p] at u in [-1, 1], or their derivatives; those of corrections come last."""
        degree, more = self.form.degree, self.form.correction_degree
        basis = chebyshev.chebvander(u, max(degree, more))
        if derivative:
            units = np.eye(max(degree, more) + 1)
            basis = np.stack([chebyshev.chebval(u, chebyshev.chebder(unit)) for unit in units], axis=-1)
        parts = [basis[..., : degree + 1]]
        if self.correction is not None:
            parts.append(self.correction * basis[..., : more + 1])
        return np.concatenate(parts, axis=-1, dtype=np.float64)

    def _design(self, shapes: Array) -> Array:
        """Return what is linear in the unknowns, [b k m q]: the power of N of all curves, then the shapes of each."""
        sets, points, count = shapes.shape
        first = int(self.known_exponent is None)
        design = np.zeros((sets, self.curves, points, first + self.curves * count))
        if first:
            design[..., 0] = self.log_size
        for curve in range(self.curves):
            design[:, curve, :, first + curve * count : first + (curve + 1) * count] = shapes
        return design

    def _whiten(self, values: Array) -> Array:
        return np.einsum("mij,bjmq->bimq", self.points.whitening, values)


class _State(NamedTuple):
    residuals: Array
    slopes: Array
    exponents: Array
    cost: Array


def _where(better: NDArray[np.bool_], new: Array, old: Array) -> Array:
    return np.where(better.reshape(-1, *[1] * (new.ndim - 1)), new, old)
