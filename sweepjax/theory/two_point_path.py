"""The whole gradient-flow path of the two-point model, from closed forms and one integral.

Let u = e^{σS} and q = 1/σ². Along the flow 1 - x u^{1+x} = ± e^{-xm} for a clock m that never turns back, so that
b = b₀ - qσ(S - S₀) - q(m - m₀) and dt = (2q/η) e^{-b} u^{-x} dm / (1+x): regular at every λ < 1, x = 0 included.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import root_scalar
from scipy.special import hyp2f1, ndtri

from sweepjax.theory._arguments import Numbers, each, floats, positive, require
from sweepjax.theory._gaussian import graded

Array = NDArray[np.float64]


class SAndB(NamedTuple):
    """A point of the path: S and b."""

    s: Numbers
    b: Numbers


class Path(NamedTuple):
    """One path: x = 1-2λ, q = 1/σ², and its start σS₀, b₀."""

    x: float
    q: float
    s: float
    b: float


def s_and_b(
    t: ArrayLike, lam: float, *, sigma: float = 1.0, learning_rate: float = 1.0, start: tuple[float, float] = (0.0, 0.0)
) -> SAndB:
    """S and b at gradient-flow times t, from a start (S, b), for 0 ≤ λ ≤ 1.

    About eleven digits; fewer where σS₀ exceeds 10, and very near λ = 1, in proportion to 1-λ, where λ < 1.
    """
    path = _path(lam, sigma, start)
    positive(learning_rate=learning_rate)
    require(floats(t) >= 0, f"t is {t}; it must be zero or positive")
    s = each(lambda time: _at_time(time, path)[0] / sigma, learning_rate * floats(t))
    return SAndB(s, each(lambda time: _at_time(time, path)[1], learning_rate * floats(t)))


def physical_time(s: ArrayLike, lam: float, *, sigma: float = 1.0, learning_rate: float = 1.0) -> Numbers:
    """Time at which the path from S = b = 0 reaches S, for 0 < λ < 1; nan where it never does."""
    path = _inner_path(lam, sigma)
    positive(learning_rate=learning_rate)
    return each(lambda length: _time_to(sigma * length, path) / learning_rate, s)


def conformal_time(s: ArrayLike, lam: float, *, sigma: float = 1.0, learning_rate: float = 1.0) -> Numbers:
    """Conformal time τ, dτ = e^b dt, at which the path from S = 0 reaches S: 2 [F(e^{σS}) - F(1)] / (ησ²).

    F(u) = ∫₀ᵘ dv / (1 - x v^{1+x}) = u ₂F₁(1, 1/(1+x); 1 + 1/(1+x); x u^{1+x}), for 0 < λ < 1 and S < S_∞.
    """
    path = _inner_path(lam, sigma)
    positive(learning_rate=learning_rate)
    u = np.exp(sigma * floats(s))
    return 2 * path.q * (_primitive(u, path.x) - _primitive(np.ones(()), path.x)) / learning_rate


def accuracy_time(accuracy: float, lam: float, *, sigma: float = 1.0, learning_rate: float = 1.0) -> float:
    """Last time at which the population accuracy Φ(-b/(σS)) rises through a value, on the path from S = b = 0.

    0 if the accuracy is never below the value, inf if it stays below.
    """
    path = _path(lam, sigma, (0.0, 0.0))
    require(0.5 <= accuracy < 1, f"accuracy is {accuracy}; it must lie in [0.5, 1)")
    positive(learning_rate=learning_rate)
    return float(_time(_last_crossing(float(ndtri(accuracy)), path), path)) / learning_rate


def _path(lam: float, sigma: float, start: tuple[float, float]) -> Path:
    require(0 <= lam <= 1, f"lam is {lam}; the two-point model has 0 <= lam <= 1")
    positive(sigma=sigma)
    return Path(1 - 2 * lam, sigma**-2, sigma * start[0], start[1])


def _inner_path(lam: float, sigma: float) -> Path:
    require(0 < lam < 1, f"lam is {lam}; this formula needs 0 < lam < 1")
    return _path(lam, sigma, (0.0, 0.0))


def _gap(path: Path) -> float:
    return 1 - path.x * np.exp((1 + path.x) * path.s)


def _clock(s: float, x: float) -> float:
    u = np.exp((1 + x) * s)
    if x == 0:
        return u
    return -(np.log1p(-x * u) if x * u < 1 else np.log(x * u - 1)) / x


def _position(elapsed: Array | float, path: Path) -> Array:
    """Return σS when the clock has advanced by the given amount."""
    x, m = path.x, floats(_clock(path.s, path.x) + elapsed)
    if x == 0:
        return np.log(m)
    rest = -np.expm1(-abs(x) * m) if _gap(path) > 0 else 1 + np.exp(-x * m)
    return (np.log(rest / abs(x)) - min(x, 0) * m) / (1 + x)


def _bias(elapsed: Array | float, path: Path) -> Array:
    return path.b - path.q * (_position(elapsed, path) - path.s + elapsed)


def _time(elapsed: float, path: Path) -> float:
    """Return ηt when the clock has advanced by the given amount."""
    return np.exp(_log_time(elapsed, path)) if 0 < elapsed < np.inf else elapsed


def _log_time(elapsed: float, path: Path) -> float:
    x, q = path.x, path.q
    # The integrand varies like u near the start and like an exponential near the end.
    first, first_weight = graded(elapsed / 2, min(1.0, 1 / q, abs(_clock(path.s, x))))
    last, last_weight = graded(elapsed / 2, 1 / (q + max(-x, 0.0) * (q + abs(x)) / (1 + x)))
    k, weight = np.concatenate([first, elapsed - last]), np.concatenate([first_weight, last_weight])
    exponent = -_bias(k, path) - x * _position(k, path)
    top = exponent.max()
    return float(top + np.log(2 * q / (1 + x) * np.sum(weight * np.exp(exponent - top))))


def _time_to(s: float, path: Path) -> float:
    if s < 0 or path.x * np.exp((1 + path.x) * s) >= 1:
        return np.nan
    return _time(_clock(s, path.x) - _clock(path.s, path.x), path)


def _at_time(time: float, path: Path) -> tuple[float, float]:
    if time == 0:
        return path.s, path.b
    if path.x == -1:
        return _both_on_one_side(time, path)
    if _gap(path) == 0:
        return path.s, -np.logaddexp(-path.b, np.log(time / 2 * (np.exp(-path.s) + np.exp(path.x * path.s))))
    elapsed = _elapsed(np.log(time), path)
    return float(_position(elapsed, path)), float(_bias(elapsed, path))


def _both_on_one_side(time: float, path: Path) -> tuple[float, float]:
    # λ = 1: the two points coincide, and b + qσS is conserved.
    power = 1 + path.q
    grown = np.log(power * time / path.q) + path.b + path.q * path.s
    s = np.logaddexp(power * path.s, grown) / power
    return s, path.b - path.q * (s - path.s)


def _elapsed(log_time: float, path: Path) -> float:
    def excess(y: float) -> float:
        return _log_time(np.exp(y), path) - log_time

    low = high = 0.0
    while excess(low) > 0:
        low -= 2
    while excess(high) < 0:
        high += 1
    return np.exp(root_scalar(excess, bracket=(low, high), xtol=1e-15).root) if low < high else 1.0


def _last_crossing(z: float, path: Path) -> float:
    # On the clock, z σS + b is concave and starts at 0: it is positive, if ever, up to one last zero.
    if z <= path.q or _gap(path) == 0:
        return 0.0
    rise = path.x * (z - path.q) / (path.q * (1 + path.x)) if path.x > -1 else -np.inf
    if rise <= -1:
        return np.inf
    best = (np.log1p(rise) / path.x if path.x else z / path.q - 1) - _clock(path.s, path.x)
    if best <= 0:
        return 0.0
    return _zero_beyond(best, z, path)


def _zero_beyond(best: float, z: float, path: Path) -> float:
    def height(elapsed: float) -> float:
        return float(z * _position(elapsed, path) + _bias(elapsed, path))

    end = 2 * best
    while height(end) > 0:
        end *= 2
    return float(root_scalar(height, bracket=(best, end), xtol=1e-300).root)


def _primitive(u: Array, x: float) -> Array:
    power = 1 / (1 + x)
    return u * hyp2f1(1, power, 1 + power, x * u ** (1 + x))
