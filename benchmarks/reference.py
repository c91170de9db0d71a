"""Independent float64 answers to measure both sides against, and how far each peer has to go."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize, nnls
from scipy.special import expit, logsumexp, softmax

FLOOR = 1e-2  # errors of ‖S‖ and b are relative, but to no less than this: b starts at 0
IMPLICIT = ("LSODA", "BDF", "Radau")


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


class Path(NamedTuple):
    """‖S‖ and b of one training at its recorded times."""

    s_norm: np.ndarray
    b: np.ndarray

    def at(self, index: int) -> "Path":
        """One recorded time."""
        return Path(self.s_norm[index], self.b[index])

    def error(self, found: "Path") -> float:
        """Largest relative error of what was found, at any time."""
        both = zip(self, found, strict=True)
        return max(float(np.max(np.abs(found - known) / np.maximum(np.abs(known), FLOOR))) for known, found in both)


class Start(NamedTuple):
    """Where a training begins: points in float64 with a column of ones for the bias, and (S, b)."""

    rows: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, s: np.ndarray, b: np.ndarray) -> "Start":
        """Return the start of one draw as the device holds it."""
        return cls(np.column_stack([x.astype(np.float64), np.ones(len(x))]), np.append(s, b))


def flow(start: Start, times: np.ndarray, method: str = "DOP853", rtol: float = 1e-11, atol: float = 1e-13) -> Path:
    """Gradient flow in log(1 + t) by SciPy, with the exact Jacobian where the method asks for one."""
    rows, positions = start.rows, np.log1p(times)

    def slope(position: float, y: np.ndarray) -> np.ndarray:
        return -np.exp(position) / len(rows) * (expit(rows @ y) @ rows)

    def jacobian(position: float, y: np.ndarray) -> np.ndarray:
        p = expit(rows @ y)
        return -np.exp(position) / len(rows) * (rows.T * (p * (1 - p)) @ rows)

    exact = {"jac": jacobian} if method in IMPLICIT else {}
    options = {"method": method, "rtol": rtol, "atol": atol, "t_eval": positions, **exact}
    y = solve_ivp(slope, (0, positions[-1]), start.y, **options).y
    return Path(np.linalg.norm(y[:-1], axis=0), y[-1])


def descent(start: Start, steps: np.ndarray, rate: float) -> Path:
    """Full-batch gradient descent step by step in NumPy."""
    rows, y, path = start.rows, start.y.copy(), []
    for count in np.diff(steps, prepend=0):
        for _ in range(count):
            y -= rate / len(rows) * (expit(rows @ y) @ rows)
        path.append(y.copy())
    ends = np.array(path)
    return Path(np.linalg.norm(ends[:, :-1], axis=1), ends[:, -1])
