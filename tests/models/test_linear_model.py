"""The product x·S: gradients of every order and size, mapped, without a copy of the data."""

import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import exp, log1p, mp

from sweepjax.models._linear_model import product, softplus

N, D = 400, 192


@pytest.fixture(autouse=True)
def _double():
    with jax.enable_x64(True):
        yield


def draw(*shape, seed=0, dtype="float64"):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype=dtype)


X = np.random.default_rng(1).normal(size=(N, D)).astype(np.float32)


def loss(s, x=X):
    return jnp.mean(softplus(0.1 * product(jnp.asarray(x), s)))


def exact_loss(s, x=X):
    return jnp.mean(jnp.logaddexp(0.1 * jnp.asarray(x, dtype=jnp.float64) @ s, 0))


def distance(a, b):
    return np.linalg.norm(np.asarray(a) - np.asarray(b)) / np.linalg.norm(np.asarray(b))


def gradient_by_rows(c, x: Any = X):
    (gradient,) = jax.linear_transpose(partial(product, jnp.asarray(x)), draw(x.shape[1]))(jnp.asarray(c))
    return gradient


def instructions(function, *arguments):
    text = jax.jit(function).lower(*arguments).compile().as_text() or ""
    return re.findall(r"= (\w+\[[\d,]*\])\S* (\w[\w-]*)\(", text)


def test_the_product_is_multiplied_in_float32_and_returned_in_float64():
    s = draw(D)
    value = product(jnp.asarray(X), s)
    assert value.dtype == jnp.float64
    np.testing.assert_array_equal(value, value.astype(jnp.float32))
    assert distance(value, X.astype(np.float64) @ s) < 1e-6


def test_weights_of_float32_are_taken_too():
    s = draw(D, dtype="float32")
    assert product(jnp.asarray(X), s).dtype == jnp.float64
    assert jax.eval_shape(jax.grad(loss), s).dtype == jnp.float32


def test_float64_data_are_multiplied_exactly():
    x, s, c = draw(7, 5), draw(5), draw(7, seed=2)
    np.testing.assert_allclose(product(x, s), x @ s, rtol=1e-14)
    np.testing.assert_allclose(gradient_by_rows(c, x), x.T @ c, rtol=1e-14)


def test_a_gradient_is_the_gradient():
    s = draw(D)
    assert jax.grad(loss)(s).dtype == jnp.float64
    assert distance(jax.grad(loss)(s), jax.grad(exact_loss)(s)) < 1e-6


@pytest.mark.parametrize(
    "times_vector",
    [
        lambda f, s, v: jax.jvp(jax.grad(f), (s,), (v,))[1],
        lambda f, s, v: jax.grad(lambda s: jax.jvp(f, (s,), (v,))[1])(s),
        lambda f, s, v: jax.grad(lambda s: jax.grad(f)(s) @ v)(s),
        lambda f, s, v: jax.linearize(jax.grad(f), s)[1](v),
        lambda f, s, v: jax.hessian(f)(s) @ v,
    ],
    ids=["forward over reverse", "reverse over forward", "reverse over reverse", "linearized", "dense"],
)
def test_a_hessian_is_the_hessian_in_every_order(times_vector):
    s, v = draw(D), draw(D, seed=3)
    p = jax.nn.sigmoid(0.1 * X @ s)
    exact = 0.01 * X.T @ (p * (1 - p) * (X @ v)) / N
    assert distance(jax.jit(partial(times_vector, loss))(s, v), exact) < 2e-6


@pytest.mark.parametrize("size", [1e-290, 1e-60, 1e-30, 1e30, 1e290])
def test_weights_of_any_size_keep_their_precision(size):
    c = size * draw(N, seed=4)
    assert distance(gradient_by_rows(c) / size, X.astype(np.float64).T @ (c / size)) < 1e-6


def test_the_gradient_of_a_late_training_does_not_vanish():
    s = jax.grad(lambda s: jnp.mean(softplus(product(jnp.asarray(X), s) - 600)))(draw(D) * 0.1)
    exact = jax.grad(lambda s: jnp.mean(jnp.exp(jnp.asarray(X, dtype=jnp.float64) @ s - 600)))(draw(D) * 0.1)
    assert distance(s * 1e250, exact * 1e250) < 2e-6


def test_no_weight_leaves_no_gradient():
    np.testing.assert_array_equal(gradient_by_rows(np.zeros(N)), np.zeros(D))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_weight_that_is_not_finite_is_not_hidden(bad):
    c = np.ones(N)
    c[17] = bad
    assert not np.any(np.isfinite(gradient_by_rows(c)))


def test_a_gradient_in_the_data_is_refused():
    with pytest.raises(ValueError, match="no gradient in the data"):
        jax.grad(lambda x: jnp.sum(product(x, draw(D))))(jnp.asarray(X))


def test_a_tangent_of_the_data_passes():
    s, v = draw(D), draw(N, D, seed=5, dtype="float32")
    _, tangent = jax.jvp(lambda x: product(x, s), (jnp.asarray(X),), (v,))
    np.testing.assert_array_equal(tangent, product(v, s))


@pytest.mark.parametrize(("x_axis", "s_axis"), [(0, 0), (0, None), (2, 1), (None, 0), (None, 1)])
def test_a_map_over_data_or_weights_changes_no_value_and_no_gradient(x_axis, s_axis):
    x, s = draw(3, 9, 4, dtype="float32"), draw(3, 4, seed=6)
    x, s = x[:1] if x_axis is None else x, s[:1] if s_axis is None else s
    turned = x[0] if x_axis is None else jnp.moveaxis(x, 0, x_axis), s[0] if s_axis is None else s.swapaxes(0, s_axis)
    value, slope = jax.jit(jax.vmap(jax.value_and_grad(loss, argnums=0), (s_axis, x_axis)))(turned[1], turned[0])
    f = 0.1 * np.einsum("bnd,bd->bn", np.broadcast_to(x, (3, 9, 4)), np.broadcast_to(s, (3, 4)))
    np.testing.assert_allclose(value, np.mean(np.logaddexp(f, 0), axis=1), rtol=1e-6)
    np.testing.assert_allclose(
        slope,
        0.1 * np.einsum("bnd,bn->bd", np.broadcast_to(x, (3, 9, 4)), 1 / (1 + np.exp(-f))) / 9,
        rtol=1e-5,
        atol=1e-7,
    )


def test_maps_nest():
    x, s = draw(2, 9, 4, dtype="float32"), draw(2, 4, seed=7)
    twice = jax.vmap(jax.vmap(product, (None, 0)), (0, None))(x, s)
    np.testing.assert_allclose(twice, np.einsum("bnd,kd->bkn", x, s), rtol=1e-5, atol=1e-6)


def test_a_hessian_is_mapped():
    x, s = draw(2, 9, 4, dtype="float32"), draw(2, 4, seed=7)
    p = jax.nn.sigmoid(0.1 * np.einsum("bnd,bd->bn", x, s))
    exact = 0.01 * np.einsum("bnd,bn,bne->bde", x, p * (1 - p), x) / 9
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.hessian(loss)))(s, x), exact, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("function", [product, lambda x, c: gradient_by_rows(c, x)], ids=["product", "transpose"])
def test_many_weights_are_one_matrix_product(function):
    x, several = jnp.asarray(X), draw(8, D if function is product else N)
    found = instructions(jax.vmap(function, (None, 0)), x, several)
    assert sum(name == "dot" for _, name in found) == 1
    assert not [
        shape for shape, name in found if name in ("copy", "transpose", "convert") and shape.endswith("[400,192]")
    ]


def test_a_descent_neither_copies_nor_converts_the_data():
    def descent(x, s):
        return jax.lax.while_loop(lambda s: s[0] < 9, lambda s: s - 0.1 * jax.grad(loss)(s, x), s)

    found = instructions(descent, jnp.asarray(X), draw(D))
    assert sum(name == "dot" for _, name in found) == 2
    large = {name for shape, name in found if re.search(r"\[(400,192|192,400)\]", shape)}
    assert large <= {"parameter", "get-tuple-element"}


def test_no_logarithm_is_taken_for_a_gradient():
    assert "log-plus-one" not in {name for _, name in instructions(jax.vmap(jax.grad(softplus)), draw(N))}


@pytest.mark.parametrize("f", [-700.0, -300.5, -40.0, -1e-3, 0.0, 2.0, 50.0, 800.0])
def test_softplus_and_its_slope_keep_their_relative_precision(f):
    with mp.workdps(400):
        value, slope = float(log1p(exp(mp.mpf(f)))), float(1 / (1 + exp(-mp.mpf(f))))
    assert float(jax.jit(softplus)(f)) == pytest.approx(value, rel=1e-14, abs=0)
    assert float(jax.jit(jax.grad(softplus))(f)) == pytest.approx(slope, rel=1e-14, abs=0)
    assert float(jax.grad(jax.grad(softplus))(f)) == pytest.approx(slope * (1 - slope), rel=1e-12, abs=1e-300)


def test_softplus_is_finite_where_an_exponential_is_not():
    assert jax.grad(softplus)(jnp.float64(-1e6)) == 0
    assert jax.grad(softplus)(jnp.float64(1e6)) == 1
    assert softplus(jnp.float64(1e6)) == 1e6


def test_a_gradient_lowers_for_a_gpu_in_full_float32():
    text = jax.jit(jax.grad(loss)).trace(draw(D)).lower(lowering_platforms=("cuda",)).as_text()
    assert text.count("precision = [HIGHEST, HIGHEST]") == text.count("dot_general") == 2
