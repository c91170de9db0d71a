"""The peers: each takes one dataset and its goal, tunes itself untimed, and returns what is then timed.

Every peer gets the most generous rule we know: where it has a knob (a rate, a number of iterations, a
tolerance), the cheapest setting that meets the known answer is looked up for each draw before the clock
starts. Copies to float64 and to sparse or doubled form are made before the clock starts, too.
"""

import warnings
from collections.abc import Callable, Iterable
from functools import cache
from itertools import groupby
from typing import Any

import clarabel
import highspy
import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from scipy.linalg import LinAlgError, cho_solve
from scipy.optimize import minimize
from scipy.sparse import csc_matrix, identity
from scipy.special import softmax
from sklearn.linear_model import PoissonRegressor
from sklearn.svm import SVC, LinearSVC

from benchmarks.reference import Goal, log_sum_exp, nonnegative

Solve = Callable[[], np.ndarray]
SolveAll = Callable[[], list[np.ndarray]]
ADAM_RATES, ADAM_STEPS = (0.1, 0.03, 0.01, 0.003), 6000
SCANNED = 2000  # steps at most where all draws are trained together
HIGHS_SECONDS = 3.0  # a draw at most: its active set cycles on many, and takes half a second on the others


def one_by_one(peer: Callable[[np.ndarray, Goal], Solve], draws: list[np.ndarray], goals: list[Goal]) -> SolveAll:
    """Solve one dataset after the other."""
    solves = [peer(x, goal) for x, goal in zip(draws, goals, strict=True)]
    return lambda: [solve() for solve in solves]


def naive(draws: list[np.ndarray], goals: list[Goal]) -> SolveAll:
    """The `jit(vmap(scan))` with optax's Adam that a JAX user writes first, in float32, all draws of a shape at once.

    The best of the rates, stopped at the first step at which ‖S‖ of all draws is within the tolerance.
    """
    groups = groupby(zip(draws, goals, strict=True), key=lambda pair: pair[0].shape)
    solves = [_naive_of_one_shape(*zip(*group, strict=True)) for _, group in groups]
    return lambda: [s for solve in solves for s in solve()]


def _naive_of_one_shape(draws: tuple[np.ndarray, ...], goals: tuple[Goal, ...]) -> Callable[[], np.ndarray]:
    x, values = jnp.asarray(np.stack(draws), dtype=jnp.float32), np.array([goal.value for goal in goals])
    best = (ADAM_RATES[0], SCANNED)
    for rate in ADAM_RATES:
        norms = np.asarray(_scanned(SCANNED)(x, rate)[1])
        met = np.all(np.abs(norms / values[:, None] - 1) <= goals[0].tolerance, axis=0)
        best = min(best, (rate, int(np.argmax(met)) + 1) if met.any() else best, key=lambda setting: setting[1])
    rate, steps = best
    descend = _scanned(steps)
    return lambda: np.asarray(descend(x, rate)[0])


@cache
def _scanned(steps: int) -> Callable[..., Any]:
    def train(x: jax.Array, rate: float) -> tuple[jax.Array, jax.Array]:
        optimizer = optax.adam(rate)
        loss = jax.grad(lambda s: jnp.mean(jnp.exp(x @ s)))

        def step(carry: tuple[Any, Any], _: None) -> tuple[Any, Any]:
            s, state = carry
            updates, state = optimizer.update(loss(s), state)
            s = optax.apply_updates(s, updates)
            return (s, state), jnp.linalg.norm(s)

        start = jnp.zeros(x.shape[1], x.dtype)
        (s, _), norms = jax.lax.scan(step, (start, optimizer.init(start)), None, length=steps)
        return s, norms

    return jax.jit(jax.vmap(train, in_axes=(0, None)))


def adam(x: np.ndarray, goal: Goal) -> Solve:
    """PyTorch's Adam on mean exp(x·S) from S = 0 in float32: the paper's way (arXiv 2410.04489 v1, App. H).

    The best rate of three, stopped at the first step at which ‖S‖ is within the tolerance.
    """
    rows, best = torch.from_numpy(x.astype(np.float32)), (ADAM_RATES[0], ADAM_STEPS)

    def descend(rate: float, steps: int, goal: Goal | None = None) -> tuple[np.ndarray, int]:
        s = torch.zeros(rows.shape[1], requires_grad=True)
        optimizer = torch.optim.Adam([s], lr=rate)
        for step in range(1, steps + 1):
            optimizer.zero_grad()
            torch.exp(rows @ s).mean().backward()
            optimizer.step()
            if goal is not None and goal.met(s.detach().numpy()):
                return s.detach().numpy(), step
        return s.detach().numpy(), steps

    for rate in ADAM_RATES:
        steps = descend(rate, best[1], goal)[1]
        best = (rate, steps) if steps < best[1] else best
    return lambda: descend(*best)[0]


def lbfgs(x: np.ndarray, goal: Goal) -> Solve:
    """SciPy's L-BFGS-B on log Σ exp(x·S) with its gradient, cut at the first iteration that meets the goal."""
    start, iterates = np.zeros(x.shape[1]), []

    def descend(iterations: int, callback: Callable | None = None) -> np.ndarray:
        options = {"maxiter": iterations, "maxfun": 40_000, "maxcor": 20, "gtol": 0.0, "ftol": 0.0}
        arguments = {"args": (x,), "jac": True, "method": "L-BFGS-B", "options": options}
        return minimize(log_sum_exp, start, callback=callback, **arguments).x

    def enough(s: np.ndarray) -> None:
        iterates.append(None)
        if goal.met(s):
            raise StopIteration

    descend(5000, enough)
    return lambda: descend(len(iterates))


def poisson(x: np.ndarray, goal: Goal) -> Solve:
    """scikit-learn's PoissonRegressor by Newton's method, on the rows with y = 0 and a row of zeros with y = 1.

    The intercept minimises to log(1 + Σ exp(x·S)), which has the same minimiser.
    """
    rows, y = np.vstack([x, np.zeros(x.shape[1])]), np.append(np.zeros(len(x)), 1.0)

    def fit(tol: float) -> np.ndarray:
        machine = PoissonRegressor(alpha=0, solver="newton-cholesky", tol=tol, max_iter=1000)
        with warnings.catch_warnings(action="ignore"):  # the table says where a peer stops short
            return machine.fit(rows, y).coef_

    return _loosest(fit, (1e-4, 1e-6, 1e-8, 1e-10), goal)


def newton(x: np.ndarray, goal: Goal) -> Solve:
    """Damped Newton in NumPy and SciPy, float64, to its own end and with the certificate, as ours has one."""
    return lambda: _newton(x, lambda s, decrement, full: decrement < (1e-16 if full else 1e-20), certificate=True)


def newton_cut(x: np.ndarray, goal: Goal) -> Solve:
    """The same, cut at the first iterate that meets the goal, without certificate."""
    return lambda: _newton(x, lambda s, decrement, full: goal.met(s), certificate=False)


def svc(x: np.ndarray, goal: Goal) -> Solve:
    """scikit-learn's SVC (libsvm), linear; each row also negated with the other label, so that the bias is zero.

    OneClassSVM(nu=1/n), libsvm's form without a bias, takes the undoubled rows but is not faster.
    """
    rows, labels = np.vstack([x, -x]), np.repeat([1, -1], len(x))

    def fit(tol: float) -> np.ndarray:
        machine = SVC(kernel="linear", C=1e10, tol=tol, cache_size=500, max_iter=500_000)
        return _fitted(machine, rows, labels)

    return _loosest(fit, (1e-4, 1e-5), goal)


def linear_svc(x: np.ndarray, goal: Goal) -> Solve:
    """scikit-learn's LinearSVC (liblinear's dual coordinate descent) without bias; labels alternate."""
    labels = np.where(np.arange(len(x)) % 2, 1.0, -1.0)
    rows = labels[:, None] * x

    def fit(tol: float) -> np.ndarray:
        machine = LinearSVC(fit_intercept=False, loss="hinge", C=1e6, tol=tol, max_iter=20_000, random_state=0)
        return _fitted(machine, rows, labels)

    return _loosest(fit, (5e-6, 1e-6), goal)


def clarabel_qp(x: np.ndarray, goal: Goal) -> Solve:
    """Clarabel's interior point on min ½‖w‖² subject to x_i·w ≥ 1, with its multi-threaded factorisation."""
    n, d = x.shape
    quadratic, rows = identity(d, format="csc"), csc_matrix(-x)

    def fit(tol: float) -> np.ndarray:
        settings = clarabel.DefaultSettings()
        settings.verbose, settings.direct_solve_method, settings.max_threads = False, "faer", torch.get_num_threads()
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tol
        cones = [clarabel.NonnegativeConeT(n)]
        return np.array(clarabel.DefaultSolver(quadratic, np.zeros(d), rows, -np.ones(n), cones, settings).solve().x)

    return _loosest(fit, (1e-5, 1e-6, 1e-8), goal)


def highs_qp(x: np.ndarray, goal: Goal) -> Solve:
    """HiGHS's active-set method on min ½‖w‖² subject to x_i·w ≥ 1; smaller tolerances than its own it does not meet."""
    (n, d), model = x.shape, highspy.HighsModel()
    model.lp_.num_col_, model.lp_.num_row_, model.lp_.col_cost_ = d, n, np.zeros(d)
    model.lp_.col_lower_, model.lp_.col_upper_ = np.full(d, -np.inf), np.full(d, np.inf)
    model.lp_.row_lower_, model.lp_.row_upper_ = np.ones(n), np.full(n, np.inf)
    rows, model.lp_.a_matrix_.format_ = model.lp_.a_matrix_, highspy.MatrixFormat.kRowwise
    rows.start_, rows.index_, rows.value_ = d * np.arange(n + 1), np.tile(np.arange(d), n), x.ravel()
    half = model.hessian_
    half.dim_, half.format_ = d, highspy.HessianFormat.kTriangular
    half.start_, half.index_, half.value_ = np.arange(d + 1), np.arange(d), np.ones(d)

    def solve() -> np.ndarray:
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", torch.get_num_threads())
        solver.setOptionValue("qp_regularization_value", 0.0)
        solver.setOptionValue("time_limit", HIGHS_SECONDS)
        solver.passModel(model)
        solver.run()
        return np.array(solver.getSolution().col_value)

    return solve


def nnls(x: np.ndarray, goal: Goal) -> Solve:
    """SciPy's active-set NNLS for the hull point nearest to the origin."""
    return lambda: nonnegative(x) @ x


def _fitted(machine: Any, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings(action="ignore"):  # the table says where a peer stops short
        return machine.fit(rows, labels).coef_[0]


def _loosest(fit: Callable[[float], np.ndarray], tolerances: Iterable[float], goal: Goal) -> Solve:
    for tolerance in tolerances:
        if goal.met(fit(tolerance)):
            break
    return lambda: fit(tolerance)


def _newton(x: np.ndarray, done: Callable[[np.ndarray, float, bool], bool], certificate: bool) -> np.ndarray:
    """Minimise log mean exp(x·S); the step is capped by the spread of the exponents, then backtracked."""
    s, shift = -x.mean(axis=0), 0.0
    z = x @ s
    value = _log_mean_exp(z)
    for _ in range(50):
        p = softmax(z)
        r, root = p @ x, np.sqrt(p)[:, None] * x
        h = root.T @ root - np.outer(r, r)  # NumPy sees AᵀA and computes half of it
        factor, shift = _factor(h, shift)
        direction = -cho_solve(factor, r, check_finite=False)
        dz, decrement = x @ direction, -(r @ direction)
        t = first = min(1.0, max(4.0, np.ptp(z)) / np.abs(dz).max())
        slope = 1e-4 * min(decrement, 1e3 * abs(value) + 1)
        while (new := _log_mean_exp(z + t * dz)) > value - t * slope + 1e-15 and t > 1e-8 * first:
            t /= 2
        s, z, value = s + t * direction, z + t * dz, new
        if z.max() < 0 or done(s, decrement, t == 1):
            break
    if certificate and not _inside(x, z):
        raise RuntimeError("the NumPy Newton peer ended without its certificate")
    return s


def _factor(h: np.ndarray, shift: float) -> tuple[tuple, float]:
    mean, diagonal = np.trace(h) / len(h), np.diag_indices(len(h))
    while True:
        shifted = h.copy()
        shifted[diagonal] += shift * mean
        try:
            return (np.linalg.cholesky(shifted), True), shift / 10  # in the thread pool that formed h
        except LinAlgError:
            shift = max(30 * shift, 1e-13)


def _inside(x: np.ndarray, z: np.ndarray) -> bool:
    """Prove that the origin lies inside the convex hull: with a = exp(z - max z), max‖x_i‖ ‖r‖ < λ_min(H)."""
    n, d = x.shape
    a = np.exp(z - z.max())
    root = np.sqrt(a)[:, None] * x
    h, unit = root.T @ root, 2.0**-53
    pull = np.linalg.norm(a @ x) + (n + 2) * unit * np.linalg.norm(a @ np.abs(x))
    rounding = (2 * d + n + 10) * unit * np.trace(h)
    h[np.diag_indices(d)] -= (1 + 1e-9) * (np.sqrt(np.max(np.sum(x * x, axis=1))) * pull + rounding)
    try:
        np.linalg.cholesky(h)
    except LinAlgError:
        return False
    return True


def _log_mean_exp(z: np.ndarray) -> float:
    top = z.max()
    return float(top + np.log(np.mean(np.exp(z - top))))
