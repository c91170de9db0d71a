"""What tests of trajectory solvers share: one training outside the engine, and SciPy's answer to the same."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp
from scipy.special import expit

from sweepjax.keys import realization_keys
from sweepjax.models._regression import Dataset, Weights
from sweepjax.models.logistic import Logistic
from sweepjax.solvers._flat import alike
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


def train(solver, x, times, *, start=None, **fields):
    """Record (S, b) at `times`."""
    with jax.enable_x64(True):
        record, info = recorded(solver, problem(x, start, **fields), times)
    return record | {name: np.asarray(value) for name, value in _plain(info).items()}


def recorded(solver, given, times, measure=measure):
    """Return what is measured at `times`, and what the solver says in the end."""
    state, records = _init(solver, given), []
    for time in np.asarray(times, dtype=np.float64):
        state, params = _advanced(solver, given, state, time)
        records.append(measure(params))
    record = {name: np.stack([np.asarray(each[name]) for each in records]) for name in records[0]}
    return record, jax.jit(lambda state: solver.info(given, state))(state)


def first_draw(model):
    """Realization 0 of a model, ready to be trained."""
    with jax.enable_x64(True):
        keys = realization_keys(model, np.uint32(0), np.uint32(0))
        data = jax.jit(lambda model: model.sample(keys.data))(model)
        return Problem(model, data, model.init(keys.init, data), None)


def metrics_at(solver, given, times, look=None):
    """Record the metrics of a model at `times`, or what `look` says of its parameters."""
    look = look or (lambda params: given.model.metrics(params, given.data))
    with jax.enable_x64(True):
        return recorded(solver, given, times, jax.jit(look))[0]


@jax.jit
def _init(solver, given):
    return solver.init(given)


@jax.jit
def _advanced(solver, given, state, until):
    """Go through the stages of a solver until a time is reached."""
    stages = [lambda state, stage=stage: alike(stage(given, state, until), state) for stage in solver.stages]
    if stages:
        state = jax.lax.while_loop(
            lambda state: solver.waits(state, until) < len(stages),
            lambda state: jax.lax.switch(solver.waits(state, until), stages, state),
            state,
        )
    return state, solver.params(given, state, until)


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
