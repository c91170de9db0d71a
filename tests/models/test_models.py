"""Draws: what they depend on, and what they are."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweepjax.engine.redraw import dataset
from sweepjax.keys import fingerprint, realization_keys
from sweepjax.models.labelled import Labelled
from sweepjax.models.logistic import Logistic
from sweepjax.models.symmetric import Symmetric
from sweepjax.plugins import find, names

ROW = {"model": "logistic", "n": 30, "d": 20, "sigma": 1.0, "loss": "logistic", "init_norm": 0.1, "init_bias": 0.0}
ROW |= {"seed": 0, "realization": 3}
PINNED_KEY = [2351529268, 2747225073]
PINNED_BITS = [1116288090, 788800922, 1605296332, 3946911431]


def draw(**changes):
    return np.asarray(dataset(ROW | changes).x)


def test_the_first_bits_are_pinned():
    key = realization_keys(Logistic(n=4, d=2), np.uint32(0), np.uint32(0)).data
    assert jax.random.key_data(key).tolist() == PINNED_KEY
    assert jax.random.bits(key, (4,)).tolist() == PINNED_BITS


def test_a_draw_depends_on_seed_and_realization():
    assert not np.array_equal(draw(), draw(seed=1))
    assert not np.array_equal(draw(), draw(realization=4))


@pytest.mark.parametrize("changes", [{"init_norm": 2.0}, {"init_bias": 1.0}, {"loss": "exponential"}])
def test_a_draw_does_not_depend_on_how_it_is_trained(changes):
    np.testing.assert_array_equal(draw(), draw(**changes))


def test_sigma_scales_the_same_noise():
    np.testing.assert_array_equal(np.float32(3) * draw(), draw(sigma=3.0))


@pytest.mark.parametrize("name", ["jax_threefry_partitionable", "jax_default_prng_impl"])
def test_global_settings_do_not_change_a_draw(name):
    other = {"jax_threefry_partitionable": False, "jax_default_prng_impl": "rbg"}[name]
    before, kept = draw(), getattr(jax.config, name)
    jax.config.update(name, other)
    try:
        np.testing.assert_array_equal(before, draw())
    finally:
        jax.config.update(name, kept)


def test_samples_are_standard_normal():
    x = draw(n=400, d=200)
    # 80,000 numbers; four standard errors, one false alarm in 10,000 seeds.
    assert abs(x.mean()) < 4 / np.sqrt(x.size)
    assert abs(x.var() - 1) < 4 * np.sqrt(2 / x.size)
    assert abs((x**4).mean() - 3) < 4 * np.sqrt(96 / x.size)
    assert np.abs(np.corrcoef(x[:, :40].T) - np.eye(40)).max() < 4.5 / np.sqrt(400)


def test_datasets_are_float32():
    assert draw().dtype == np.float32


def test_the_start_has_the_norm_asked_for():
    model = Logistic(n=5, d=7, init_norm=0.3, init_bias=-2.0)
    with jax.enable_x64(True):
        keys = realization_keys(model, np.uint32(0), np.uint32(0))
        start = jax.tree.map(np.asarray, model.init(keys.init, model.sample(keys.data)))
    assert np.linalg.norm(start.s) == pytest.approx(0.3, rel=1e-6)
    assert start.b == -2


def law(**changes):
    row = {"model": "symmetric", "n": 2000, "d": 5, "sigma": 1.0, "anisotropy": 1.0, "mixture": 0.0}
    row |= {"seed": 0, "realization": 0}
    return np.asarray(dataset(row | changes).x)


def test_anisotropy_scales_the_same_noise_by_a_geometric_series_of_mean_one():
    scale = law(anisotropy=16.0) / law()
    np.testing.assert_allclose(scale, np.broadcast_to([4, 2, 1, 0.5, 0.25], scale.shape), rtol=1e-6)


def test_a_mixture_moves_the_first_component_alone_by_either_sign():
    moved = law(mixture=3.0) - law()
    np.testing.assert_array_equal(moved[:, 1:], 0)
    np.testing.assert_allclose(np.abs(moved[:, 0]), 3, rtol=1e-6)
    # A fair coin 2,000 times: within four standard errors.
    assert abs(np.mean(moved[:, 0] > 0) - 0.5) < 4 * 0.5 / np.sqrt(2000)


@pytest.mark.parametrize("r", [0.5, 0.95])
def test_the_label_fraction_is_the_fraction_labelled_minus_one(r):
    data = dataset(
        {"model": "labelled", "n": 2000, "d": 5, "sigma": 1.0, "label_fraction": r, "seed": 0, "realization": 0}
    )
    assert abs(np.mean(np.asarray(data.y) == -1) - r) < 4 * np.sqrt(r * (1 - r) / 2000)
    assert np.asarray(data.x)[np.asarray(data.y) == 1, 0].min() > np.asarray(data.x)[np.asarray(data.y) == -1, 0].max()


def test_one_label_is_the_default():
    assert np.all(np.asarray(dataset(ROW).y) == -1)


def at_the_start(model):
    def columns():
        keys = realization_keys(model, np.uint32(0), np.uint32(0))
        data = model.sample(keys.data)
        return model.metrics(model.init(keys.init, data), data)

    with jax.enable_x64(True):
        return {name: float(value) for name, value in jax.jit(columns)().items()}


@pytest.mark.parametrize(
    "law",
    [
        Logistic,
        partial(Symmetric, anisotropy=9.0),
        partial(Symmetric, mixture=2.0),
        partial(Labelled, label_fraction=0.9),
    ],
    ids=["logistic", "anisotropic", "mixture", "labelled"],
)
@pytest.mark.parametrize("loss", ["logistic", "exponential"])
def test_population_columns_are_expectations_over_fresh_samples(law, loss):
    model = law(n=400_000, d=3, sigma=0.7, loss=loss, init_norm=0.8, init_bias=-0.5)
    columns = at_the_start(model)
    # 400,000 samples: five standard errors of either mean, of deviations below 0.5 and 3.
    assert abs(columns["test_accuracy"] - columns["train_accuracy"]) < 5 * 0.5 / np.sqrt(400_000)
    assert abs(columns["test_loss"] - columns["train_loss"]) < 5 * 3 / np.sqrt(400_000)
    assert columns["log_test_loss"] == pytest.approx(np.log(columns["test_loss"]), abs=1e-9)
    assert columns["log_test_error"] == pytest.approx(np.log1p(-columns["test_accuracy"]), rel=1e-6)


def test_losses_do_not_underflow_where_the_bias_is_far_below():
    model = Logistic(n=5, d=7, init_norm=12.0, init_bias=-1500.0)
    columns = at_the_start(model)
    assert columns["log_train_loss"] == pytest.approx(-1500, abs=60)
    assert columns["log_test_loss"] == pytest.approx(-1500 + 72, abs=1e-6)
    assert columns["log_test_error"] < -7000


def test_a_shape_is_part_of_the_fingerprint_and_a_loss_is_not():
    assert fingerprint(Logistic(n=5, d=7)) != fingerprint(Logistic(n=7, d=5))
    assert fingerprint(Logistic(loss="exponential")) == fingerprint(Logistic(sigma=3.0))


@pytest.mark.parametrize("name", names("models"))
def test_parameters_that_are_lost_are_right_about_nothing(name):
    model = find("models", name)()

    def lost(key):
        data = model.sample(key)
        nothing = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), model.init(key, data))
        heights = model.crossings(nothing, data) if hasattr(model, "crossings") else {}
        return model.metrics(nothing, data) | heights

    with jax.enable_x64(True):
        found = jax.jit(lost)(jax.random.key(0))
    right = {each: value for each, value in found.items() if each.endswith("_accuracy") or each.startswith("t_")}
    assert all(np.isnan(value) for value in right.values()), right
