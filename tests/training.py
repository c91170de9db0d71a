"""What tests of trajectory solvers share: one training outside the engine, and SciPy's answer to the same."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import expit

from sweepjax.models._regression import Dataset, Weights
from sweepjax.models.logistic import Logistic
from sweepjax.types import Problem


def points(n, d, *, sigma=1.0, seed=0):
    return (sigma * np.random.default_rng(seed).standard_normal((n, d))).astype(np.float32)


def inseparable(n, d, **options):
    """Points that no half-space holds: with their opposites among them."""
    half = points(n // 2, d, **options)
    return np.concatenate([half, -1.5 * half])


def problem(x, start=None, **fields):
    """The training of `logistic` on given points from (S, b), by default a short S."""
    n, d = x.shape
    s, b = start if start is not None else (0.1 * np.ones(d) / np.sqrt(d), 0.0)
    data = Dataset(jnp.asarray(x), -jnp.ones(n, jnp.float32))
    return Problem(
        Logistic(n=n, d=d, **fields), data, Weights(jnp.asarray(s, jnp.float64), jnp.asarray(b, jnp.float64)), None
    )


def measure(params):
    return {"s": params.s, "b": params.b}


def train(solver, x, times, *, start=None, segments=(), **fields):
    """Record (S, b) at `times`; cut into segments, if asked for, before these indices."""
    with jax.enable_x64(True):
        given = problem(x, start, **fields)
        state, parts = _init(solver, given), []
        for part in np.split(np.asarray(times, dtype=np.float64), segments):
            state, record, info = _segment(solver, given, state, part)
            parts.append(record)
    record = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return record | {name: np.asarray(value) for name, value in _plain(info).items()}


@jax.jit
def _init(solver, given):
    return solver.init(given)


@jax.jit
def _segment(solver, given, state, times):
    state, record = solver.solve(given, state, times, measure)
    return state, record, solver.info(given, state)


def _plain(columns):
    return {name: value[0] if isinstance(value, tuple) else value for name, value in columns.items()}


def flow_by_scipy(x, times, *, start=None, loss="logistic"):
    """(S, b) of the gradient flow, by Radau with the exact Jacobian or DOP853 in log(1 + t), float64."""
    n, d = x.shape
    rows = np.column_stack([x.astype(np.float64), np.ones(n)])
    s, b = start if start is not None else (0.1 * np.ones(d) / np.sqrt(d), 0.0)
    weight = expit if loss == "logistic" else np.exp
    end = np.log1p(times[-1])
    path = solve_ivp(
        lambda s, y: -np.exp(s) / n * (weight(rows @ y) @ rows),
        (0, end),
        np.append(s, b),
        method="DOP853",
        rtol=1e-9,
        atol=1e-11,
        t_eval=np.minimum(np.log1p(times), end),
    )
    return path.y[:-1].T, path.y[-1]
