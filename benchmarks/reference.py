"""Independent float64 answers to measure both sides against, and how far each peer has to go."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize, nnls
from scipy.special import logsumexp, softmax


class Goal(NamedTuple):
    """The known value of one draw, how a peer's vector is read, and the relative error it may stop at."""

    value: float
    read: Callable[[np.ndarray], float]
    tolerance: float = 1e-6

    def error(self, vector: np.ndarray) -> float:
        """Relative error of the value a vector stands for."""
        return abs(self.read(vector) / self.value - 1)

    def met(self, vector: np.ndarray) -> bool:
        """Whether the vector is good enough."""
        return bool(self.error(vector) <= self.tolerance)


def minimum_goal(x: np.ndarray) -> Goal:
    """‖S_∞‖ = ‖argmin Σ exp(x_i·S)‖: SciPy's L-BFGS, polished by undamped Newton steps."""
    options = {"maxiter": 20_000, "maxfun": 40_000, "maxcor": 30, "gtol": 1e-7, "ftol": 0.0}
    s = minimize(log_sum_exp, np.zeros(x.shape[1]), args=(x,), jac=True, method="L-BFGS-B", options=options).x
    for _ in range(10):
        p = softmax(x @ s)
        r, root = p @ x, np.sqrt(p)[:, None] * x
        step = cho_solve(cho_factor(root.T @ root - np.outer(r, r)), r)
        s = s - step
        if np.linalg.norm(step) < 1e-12 * np.linalg.norm(s):
            break
    return Goal(float(np.linalg.norm(s)), lambda s: float(np.linalg.norm(s)))


def margin_goal(x: np.ndarray) -> Goal:
    """The hard margin as the distance of the origin from the hull, by SciPy's NNLS.

    Its value is an upper bound; a direction w is read as the lower bound min_i x_i·w/‖w‖, so that an
    error is a duality gap, that of NNLS itself too.
    """
    p = nonnegative(x)
    hull = float(np.linalg.norm(p @ x) / p.sum())
    return Goal(hull, lambda w: float(np.min(x @ w) / np.linalg.norm(w)))


def log_sum_exp(s: np.ndarray, x: np.ndarray) -> tuple[float, np.ndarray]:
    """Log Σ exp(x_i·s) and its gradient."""
    z = x @ s
    return float(logsumexp(z)), softmax(z) @ x


def nonnegative(x: np.ndarray) -> np.ndarray:
    """Weights p ≥ 0 of the hull point nearest to the origin, p/Σp: least squares on [Xᵀ; 1ᵀ] p = (0, 1)."""
    n, d = x.shape
    return nnls(np.vstack([x.T, np.ones(n)]), np.append(np.zeros(d), 1.0), maxiter=30 * n)[0]
