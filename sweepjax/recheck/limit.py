"""Rows of solver `limit` found again without our solvers and without JAX: SciPy, NumPy, float64.

The margin is the distance of the origin from the hull, a nonnegative least squares problem; S_∞ is the
minimum of log Σ exp(x_i·S) by a trust region. Both theorems behind `certified` are proved anew.

Source:
    Lawson, Hanson, Solving Least Squares Problems, ch. 23; Conn, Gould, Toint, Trust-Region Methods, ch. 7;
    Higham, Accuracy and Stability of Numerical Algorithms, ch. 3 and 10.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy import ndarray
from scipy.linalg import LinAlgError, cho_factor, cho_solve, eigvalsh
from scipy.optimize import minimize, nnls
from scipy.special import logsumexp, softmax

from sweepjax.recheck._contradiction import Contradiction

AGREEMENT = 1e-5
UNIT_ROUNDOFF = 2.0**-53
POLISHING = 30  # Newton steps at most after the trust region


def contradictions(row: Mapping[str, Any], model: Any, data: Any) -> Iterator[Contradiction]:
    """Yield what is wrong with a row of solver `limit`, given its model and dataset."""
    return uncertain(row, np.asarray(model.signed_rows(data), dtype=np.float64))


def uncertain(row: Mapping[str, Any], x: Float64[ndarray, "n d"]) -> Iterator[Contradiction]:
    """Yield what is wrong with a certified row, given its signed samples x."""
    if not row["certified"]:
        return
    if row["separable"]:
        yield from _outside(row["margin"], x)
    else:
        yield from _inside(row["s_norm"], x)


def _outside(margin: float | None, x: Float64[ndarray, "n d"]) -> Iterator[Contradiction]:
    try:
        q, distance = nearest_point(x)
    except RuntimeError:
        return  # SciPy gave up
    if not separates(x, q):
        yield Contradiction("separable", True, "not proved")
    lower = np.min(x @ q) / max(distance, np.finfo(float).tiny)
    if margin is None or not lower * (1 - AGREEMENT) <= margin <= distance * (1 + AGREEMENT):
        yield Contradiction("margin", margin, distance)


def _inside(s_norm: float | None, x: Float64[ndarray, "n d"]) -> Iterator[Contradiction]:
    s = minimiser(x)
    if not surrounds_origin(x, s):
        yield Contradiction("separable", False, "not proved")
    norm = float(np.linalg.norm(s))
    if s_norm is None or not abs(s_norm - norm) <= AGREEMENT * norm:
        yield Contradiction("s_norm", s_norm, norm)


def nearest_point(x: Float64[ndarray, "n d"]) -> tuple[Float64[ndarray, " d"], float]:
    """Return the point of the hull of the rows that is nearest to the origin, and its distance."""
    scale = np.sqrt(np.mean(np.square(x)))
    a = np.vstack([x.T / scale, np.ones(len(x))])
    p, _ = nnls(a, np.append(np.zeros(x.shape[1]), 1.0), maxiter=30 * len(x))
    q = p @ x / np.sum(p)
    return q, float(np.linalg.norm(q))


def minimiser(x: Float64[ndarray, "n d"]) -> Float64[ndarray, " d"]:
    """Return argmin Σ exp(x_i·S): a trust region on its logarithm, then Newton's method to the last digit."""
    scale = np.sqrt(np.mean(np.square(x)))
    y = x / scale

    def slope(s: ndarray) -> ndarray:
        return softmax(y @ s) @ y

    def curvature(s: ndarray) -> ndarray:
        p, r = softmax(y @ s), slope(s)
        return (y.T * p) @ y - np.outer(r, r)

    start, options = -np.mean(y, axis=0), {"gtol": 1e-9, "maxiter": 200}
    s = minimize(lambda s: logsumexp(y @ s), start, method="trust-exact", jac=slope, hess=curvature, options=options).x
    for _ in range(POLISHING):
        p = softmax(y @ s)
        try:
            step = cho_solve(cho_factor((y.T * p) @ y), p @ y)
        except LinAlgError:
            break
        s = s - step
        if np.linalg.norm(step) <= 1e-12 * np.linalg.norm(s) or np.max(y @ s) < 0:
            break
    return s / scale


def separates(x: Float64[ndarray, "n d"], w: Float64[ndarray, " d"]) -> bool:
    """Prove min x_i·w > 0: every computed product exceeds its own rounding error."""
    return bool(np.min(x @ w - _chained(x.shape[1] + 2) * (np.abs(x) @ np.abs(w))) > 0)


def surrounds_origin(x: Float64[ndarray, "n d"], s: Float64[ndarray, " d"]) -> bool:
    """Prove that 0 lies inside the hull: at S, Newton's step of Σ exp(x_i·S) is shorter than 1/max‖x_i‖.

    With a_i = exp(x_i·S - max), r = Σ a_i x_i and H = Σ a_i x_i x_iᵀ, the weights a_i (1 - x_i·H⁻¹r) > 0 combine
    the rows to 0. A Cholesky factor of the computed H - τI bounds λ_min(H), rounding included.
    """
    n, d = x.shape
    z = x @ s
    a = np.exp(z - np.max(z))
    pull = np.linalg.norm(a @ x) + _chained(n + 2) * np.linalg.norm(a @ np.abs(x))
    h = (x.T * a) @ x
    tau = 0.9 * eigvalsh(h, subset_by_index=[0, 0])[0]
    try:
        cho_factor(h - tau * np.eye(d))
    except LinAlgError:
        return False
    factorise = _chained(d + 2) / (1 - _chained(d + 2))
    least = tau - (factorise + _chained(n + 2) + 2 * UNIT_ROUNDOFF) * np.trace(h)
    radius = np.sqrt(np.max(np.sum(np.square(x), axis=1)))
    return bool(least > 0 and radius * pull * (1 + 1e-12) < least)


def _chained(k: int) -> float:
    return k * UNIT_ROUNDOFF / (1 - k * UNIT_ROUNDOFF)
