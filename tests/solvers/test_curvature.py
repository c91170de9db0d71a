"""What is proved of a least eigenvalue, against exact arithmetic; and rows that are proved so."""

from functools import cache

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from sweepjax.primitives import hardware
from sweepjax.solvers._limit import curvature, newton, stages
from sweepjax.solvers.limit import columns, rows_of, solve_limit


def least_eigenvalue(x, weights):
    """λ_min(Σ w_i x_i x_iᵀ) to fifty digits."""
    with mpmath.workdps(50):
        rows = mpmath.matrix(np.asarray(x, float).tolist())
        scaled = mpmath.diag([mpmath.mpf(float(w)) for w in weights]) * rows
        return min(mpmath.eigsy(rows.T * scaled, eigvals_only=True))


def proved(x, q, tau, upper=None):
    """The bound in float32 on λ_min(Σ q_i² x_i x_iᵀ), by a factor of its own or the one given."""
    b = jnp.asarray(q[:, None] * x)
    g = curvature.short_products(b)
    off = curvature.short_rounding(b) + curvature.WEIGHING * curvature.square(b)
    if upper is None:
        upper = np.linalg.cholesky(np.asarray(g - tau * jnp.eye(len(g)))).T.astype(np.float32)
    return float(curvature.proved(g, jnp.float64(tau), jnp.asarray(upper), off))


@pytest.mark.parametrize("seed", range(12))
def test_what_is_proved_in_float32_is_true_and_not_far_below(seed):
    rng = np.random.default_rng(seed)
    n, d = (9, 4) if seed % 2 else (150, 6)  # several sums, too
    x = rng.standard_normal((n, d)).astype(np.float32) * np.float32(10.0) ** rng.integers(-3, 4)
    q = np.sqrt(rng.exponential(size=n)).astype(np.float32)
    true = float(least_eigenvalue(x, q.astype(float) ** 2))
    trace = float(np.sum((q[:, None].astype(float) * x) ** 2))
    with jax.enable_x64(True):
        bound = proved(x, q, 0.99 * true)
    assert bound < true
    assert bound > 0.99 * true - 2e-5 * trace


@pytest.mark.parametrize("seed", range(6))
def test_nothing_false_is_proved_whatever_the_factor_is(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((9, 4)).astype(np.float32)
    x[:, 3] = x[:, 2] * (1 + 2e-4 * rng.standard_normal(9).astype(np.float32))  # nearly singular
    q = np.ones(9, np.float32)
    true = float(least_eigenvalue(x, np.ones(9)))
    with jax.enable_x64(True):
        for upper in (np.triu(rng.standard_normal((4, 4))), np.zeros((4, 4)), 1e3 * np.eye(4)):
            for tau in (0.0, true, 1.0, 100.0):
                assert proved(x, q, tau, upper.astype(np.float32)) < true


def test_nothing_is_proved_of_numbers_that_underflow_or_are_none():
    q, x = np.ones(9, np.float32), np.random.default_rng(0).standard_normal((9, 4)).astype(np.float32)
    with jax.enable_x64(True):
        assert not proved(np.float32(1e-25) * x, q, 1e-60, np.eye(4, dtype=np.float32)) > 0
        assert not proved(np.full_like(x, np.nan), q, 0.0, np.eye(4, dtype=np.float32)) > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_factor_in_either_precision_proves_what_it_is_worth(dtype):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((40, 5))
    h = x.T @ x
    true = float(least_eigenvalue(x, np.ones(40)))
    upper = np.linalg.cholesky(h - 0.9 * true * np.eye(5)).T.astype(dtype)
    with jax.enable_x64(True):
        bound = float(curvature.proved(jnp.asarray(h), jnp.float64(0.9 * true), jnp.asarray(upper), jnp.float64(1e-12)))
    assert 0.9 * true - 1e-4 * np.trace(h) < bound < true


@cache
def program():
    return jax.jit(lambda x: columns(rows_of(x), solve_limit(x)))


def gaussian(n, d, count):
    return np.random.default_rng(d).standard_normal((count, n, d)).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(60, 24), (400, 176)])
def test_where_float64_is_slow_rows_are_proved_without_it(n, d, monkeypatch):
    x = gaussian(n, d, 8)
    dear = []
    real = newton.exact_factor

    def counted(*arguments):
        jax.debug.callback(lambda: dear.append(1))
        return real(*arguments)

    monkeypatch.setattr(newton, "exact_factor", counted)
    with jax.enable_x64(True):
        usual = [program()(each) for each in x]
        jax.effects_barrier()
        before, _ = len(dear), dear.clear()
        for module in (hardware, stages):
            monkeypatch.setattr(module, "slow_float64", lambda: True)
        program.cache_clear()
        short = [program()(each) for each in x]
        jax.effects_barrier()
    assert len(dear) < before / 2
    for one, other in zip(usual, short, strict=True):
        assert one["separable"] == other["separable"]
        assert one["certified"]
        assert other["certified"]
        for name in ("s_norm", "loss_inf"):
            assert one[name][0] == pytest.approx(float(other[name][0]), rel=1e-9) or one["separable"]
