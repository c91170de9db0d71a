"""The ReLU network of modular addition: what it computes, its two losses, and when it groks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import columns, drawn, slopes
from scipy.special import log_softmax

import sweepjax as sj
from sweepjax.models.relu_modular import ReluModular

SMALL = ReluModular(p=7, width=12, l2=0.01)


def scores_by_hand(params):
    a, b = np.divmod(np.arange(49), 7)
    u, v, c, w = (np.asarray(part, np.float64) for part in params)
    return np.maximum(u[a] + v[b] + c, 0) @ w.T


@pytest.mark.slow
def test_columns_are_those_of_one_hot_codes_and_leave_the_penalty_out():
    data, start = drawn(SMALL)
    start = start._replace(c=jnp.linspace(-0.3, 0.3, 12, dtype=jnp.float32))
    scores, train = scores_by_hand(start), np.asarray(data.train)
    each = -log_softmax(scores, axis=1)[np.arange(49), np.asarray(data.label)]
    found = columns(SMALL, start, data)
    assert found["train_loss"] == pytest.approx(each[train].mean(), rel=1e-5)
    assert found["test_loss"] == pytest.approx(each[~train].mean(), rel=1e-5)
    assert found["log_train_loss"] == pytest.approx(np.log(each[train].mean()), rel=1e-5)
    right = scores.argmax(axis=1) == np.asarray(data.result)
    assert (found["train_accuracy"], found["test_accuracy"]) == (right[train].mean(), right[~train].mean())
    square = sum(float(jnp.sum(part.astype(jnp.float32) ** 2)) for part in start)
    assert found["norm"] == pytest.approx(square**0.5, rel=1e-5)
    assert float(SMALL.training_loss(start, data)) == pytest.approx(found["train_loss"] + 0.005 * square, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["logistic", "normalized"])
def test_the_gradient_is_that_of_differences(loss):
    model = ReluModular(p=7, width=12, l2=0.01, loss=loss)
    one, other = slopes(model, drawn(model)[1], drawn(model)[0])
    assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.slow
def test_the_normalized_loss_is_a_logarithm_where_the_loss_itself_is_zero_in_float32():
    model = ReluModular(p=7, width=12, l2=0.0, loss="normalized")
    data, start = drawn(model)
    far = start._replace(u=0 * start.u, v=0 * start.v, c=jnp.ones(12, jnp.float32), w=0 * start.w)
    alone = data._replace(label=jnp.zeros_like(data.label))
    far = far._replace(w=far.w.at[0].set(50.0))  # f₀ = 600 for every pair, and 0 elsewhere
    assert columns(model, far, alone)["train_loss"] == 0
    assert float(model.training_loss(far, alone)) == pytest.approx(np.log(6) - 600, rel=1e-6)
    assert all(bool(jnp.isfinite(part).all()) for part in jax.grad(model.training_loss)(far, alone))


def test_only_weights_grow_with_the_scale_and_an_output_of_zero_is_zero():
    one, large = (drawn(ReluModular(p=7, width=12, init_scale=scale))[1] for scale in (1.0, 4.0))
    np.testing.assert_allclose(large.u, 4 * one.u, rtol=1e-6)
    np.testing.assert_allclose(large.w, 4 * one.w, rtol=1e-6)
    assert not one.c.any()
    none = drawn(ReluModular(p=7, width=12, output="zero"))[1]
    assert not none.w.any()
    np.testing.assert_array_equal(none.u, one.u)


def test_the_start_is_he_normal():
    start = drawn(ReluModular(p=31, width=400))[1]
    assert float(jnp.std(start.u)) == pytest.approx(31**-0.5, rel=0.03)
    assert float(jnp.std(start.w)) == pytest.approx(400**-0.5, rel=0.03)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fields", "until", "times"),
    [
        ({"l2": 2e-3}, 6000.0, (700, 1800)),
        ({"l2": 1e-3}, 8000.0, (500, 2600)),
        ({"l2": 2e-3, "output": "zero"}, 6000.0, (800, 1900)),
    ],
)
def test_it_memorises_and_groks_when_it_was_measured_to(fields, until, times):
    frame = sj.run(
        model="relu_modular",
        solver="gradient_descent",
        learning_rate=1.0,
        until=until,
        record="30",
        realizations=1,
        **fields,
    )
    trained, grokked = times
    assert trained * 0.5 < frame["t_train_99"][0] <= trained * 1.3
    assert frame["t_test_50"][0] == pytest.approx(grokked, rel=0.3)
    assert frame["test_accuracy"][0][-1] > 0.95
