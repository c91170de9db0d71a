"""Operations and their tables, the quadratic network that learns them, and when it memorises and groks."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

import sweepjax as sj
from sweepjax.engine.engine import Engine
from sweepjax.models._modular import participation, weighted_pair
from sweepjax.models._operations import OPERATIONS, operation
from sweepjax.models.quadratic_modular import QuadraticModular, Weights
from sweepjax.theory.modular_addition import analytic_weights

P, WIDTH = 7, 12
FAST = {"model": "quadratic_modular", "solver": "adamw", "weight_decay": 1.0, "b2": 0.98}


def drawn(seed=0, **fields):
    with jax.enable_x64(True):
        model = QuadraticModular(**{"p": P, "width": WIDTH} | fields)
        data = model.sample(jax.random.key(seed))
        return model, data, model.init(jax.random.key(seed + 1), data)


def columns(found):
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize(
    ("name", "a", "b", "result"),
    [
        ("a+b", 5, 6, 4),
        ("a-b", 2, 6, 3),
        ("a*b", 3, 6, 4),
        ("a/b", 3, 5, 2),
        ("a^2+b^2", 3, 6, 3),
        ("a^2+ab+b^2", 3, 6, 0),
        ("a^3+ab^2+b", 3, 6, 1),
        ("parity", 3, 5, 2),
        ("parity", 3, 4, 6),
    ],
)
def test_an_operation_modulo_seven(name, a, b, result):
    table = operation(name, P)
    assert table.result[(table.a == a) & (table.b == b)].tolist() == [result]


def test_division_leaves_out_a_divisor_of_zero():
    assert operation("a/b", P).b.min() == 1
    assert operation("a/b", P).result.size == 42


@pytest.mark.parametrize("name", ["a/b", "parity"])
def test_division_by_a_modulus_that_is_not_prime_is_refused_before_anything_is_computed(name):
    with pytest.raises(ValueError, match="p = 24 is not prime; give a prime"):
        sj.run(**FAST, operation=name, p=24, until=1.0)


def test_permutations_of_five_things_are_a_group():
    table = operation("S5", P)
    square = table.result.reshape(120, 120)
    assert all(sorted(row) == [*range(120)] for row in (*square, *square.T))
    one = 0  # the permutation that moves nothing
    np.testing.assert_array_equal(square[one], np.arange(120))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_can_be_drawn(name):
    with jax.enable_x64(True):
        data = jax.eval_shape(QuadraticModular(p=P, operation=name).sample, jax.random.key(0))
    assert data.result.shape == operation(name, P).result.shape


def test_a_random_table_is_another_one_in_every_draw():
    one, other = (drawn(seed, operation="random")[1].result for seed in (0, 1))
    assert np.mean(np.asarray(one) == np.asarray(other)) < 0.5


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.45, 0.5, 0.999])
def test_the_mask_holds_the_fraction_to_the_nearest_pair(fraction):
    data = drawn(fraction=fraction)[1]
    assert int(data.train.sum()) == min(max(round(fraction * 49), 1), 48)
    assert set(np.asarray(data.order[: int(data.train.sum())])) == set(np.flatnonzero(data.train))


def test_a_larger_fraction_trains_on_the_same_pairs_and_more():
    small, large = (np.asarray(drawn(fraction=fraction)[1].train) for fraction in (0.3, 0.6))
    assert not (small & ~large).any()


def test_noise_is_in_labels_that_are_trained_on_and_nowhere_else():
    clean, noisy = drawn(fraction=0.6)[1], drawn(fraction=0.6, noise=1.0)[1]
    changed = np.asarray(noisy.label != noisy.result)
    np.testing.assert_array_equal(clean.result, clean.label)
    assert not (changed & ~np.asarray(noisy.train)).any()
    assert 15 < changed.sum() <= 29  # a label drawn at random is the right one once in seven


def test_a_pair_is_a_row_of_one_hot_codes():
    model, data, start = drawn()
    a, b = np.divmod(np.arange(49), P)
    code = np.concatenate([np.eye(P)[a], np.eye(P)[b]], axis=1)
    first, second = np.concatenate([start.u, start.v]).astype(np.float64), np.asarray(start.w, np.float64)
    scores = (code @ first) ** 2 @ second.T
    np.testing.assert_allclose(model.scores(start), scores, rtol=1e-4, atol=1e-6)
    picked = np.array([3, 40, 3])
    np.testing.assert_allclose(model.scores(start, jnp.asarray(picked)), scores[picked], rtol=1e-4, atol=1e-6)
    error = ((scores - np.eye(P)[np.asarray(data.result)]) ** 2).mean(axis=1)
    train = np.asarray(data.train)
    with jax.enable_x64(True):
        found = columns(model.metrics(start, data))
    assert found["train_loss"] == pytest.approx(error[train].mean(), rel=1e-5)
    assert found["test_loss"] == pytest.approx(error[~train].mean(), rel=1e-5)
    assert found["test_accuracy"] == np.mean(scores.argmax(axis=1)[~train] == np.asarray(data.result)[~train])


def test_the_sum_of_two_rows_is_exact_and_so_is_its_gradient_whatever_the_precision_of_products():
    table, (u, v) = operation("a+b", 5), jax.random.normal(jax.random.key(0), (2, 5, 4), jnp.float32)
    np.testing.assert_array_equal(weighted_pair(u, v, table), u[table.a] + v[table.b])
    with jax.default_matmul_precision("bfloat16"):
        program = str(jax.make_jaxpr(jax.grad(lambda v: jnp.sum(weighted_pair(u, v, table) ** 3)))(v))
    assert program.count("dot_general") == program.count("Precision.HIGHEST, Precision.HIGHEST") == 2


def test_the_start_has_the_spread_of_the_paper():
    start = drawn(p=23, width=400)[2]
    spread = [float(jnp.std(part)) for part in start]
    np.testing.assert_allclose(spread, 0.5 / 800 ** (1 / 3), rtol=0.03)


def test_a_batch_holds_pairs_that_are_trained_on():
    model, data, start = drawn(fraction=0.3)
    with jax.enable_x64(True):
        batch = np.asarray(model.batch(jax.random.key(3), data, 500))
        loss = float(model.training_loss(start, data, jnp.asarray(batch)))
    assert set(batch) == set(np.flatnonzero(data.train))
    each = model.loss_of(model.scores(start), data.label)
    assert loss == pytest.approx(float(np.asarray(each)[batch].mean()), rel=1e-5)


def test_analytic_weights_are_right_everywhere():
    numbers = np.arange(23)
    layers = analytic_weights(numbers, numbers, p=23, width=300)
    model, data, _ = drawn(p=23, width=300)
    with jax.enable_x64(True):
        found = columns(model.metrics(Weights(*(jnp.asarray(part, jnp.float32) for part in layers)), data))
    assert (found["train_accuracy"], found["test_accuracy"]) == (1.0, 1.0)
    assert found["ipr"] == pytest.approx(0.5, abs=1e-4)


def test_the_participation_ratio_is_that_of_frequencies():
    wave = jnp.cos(2 * jnp.pi * jnp.arange(23) * 4 / 23 + 0.3)
    spike = jnp.zeros(23).at[5].set(1)
    assert float(participation(wave[None])) == pytest.approx(1 / 2, abs=1e-5)
    assert float(participation(jnp.ones((1, 23)))) == pytest.approx(1, abs=1e-5)
    assert float(participation(spike[None])) == pytest.approx(1 / 23, abs=1e-5)
    assert float(participation(jnp.stack([wave, spike]))) == pytest.approx((1 / 2 + 1 / 23) / 2, abs=1e-5)
    assert float(participation(jnp.zeros((1, 23)))) == 0


@pytest.fixture(scope="module")
def dense():
    """Trainings that are recorded at every step, and the same recorded at the end alone."""
    sparse = {**FAST, "p": 5, "width": 32, "fraction": 0.8, "realizations": 3, "until": 150.0, "learning_rate": 0.02}
    return sj.run(**sparse, record="0:150"), sj.run(**sparse, record="2")


@pytest.mark.slow
@pytest.mark.parametrize("side", ["train", "test"])
@pytest.mark.parametrize("level", [50, 99])
def test_first_crossings_are_those_of_every_step_whatever_is_recorded(dense, side, level):
    every, ends = dense
    name = f"t_{side}_{level}"
    assert every[name].equals(ends[name])
    for _, row in every.iterrows():
        beyond = np.flatnonzero(np.asarray(row[f"{side}_accuracy"]) >= level / 100)
        if not beyond.size:
            assert pd.isna(row[name])
        else:  # looks are one step apart up to 200, then two
            assert row[name] == beyond[0]


@pytest.mark.slow
def test_what_is_recorded_does_not_change_a_training_that_is_looked_at(dense):
    every, ends = dense
    assert [row[-1] for row in every["train_loss"]] == [row[-1] for row in ends["train_loss"]]


@pytest.mark.slow
def test_a_crossing_that_never_comes_is_null():
    frame = sj.run(**FAST, p=5, width=32, fraction=0.8, realizations=2, until=1.0, record="2")
    assert frame["t_test_99"].isna().all()


@pytest.mark.slow
def test_a_warm_up_takes_smaller_steps_at_first():
    options = {**FAST, "p": 5, "width": 32, "fraction": 0.8, "realizations": 1, "until": 3.0, "record": "0:3"}
    warm, plain = sj.run(**options, warmup=4.0), sj.run(**options)
    moved = [np.abs(np.diff(frame["train_loss"][0])) for frame in (warm, plain)]
    assert moved[0][0] == pytest.approx(moved[1][0] / 4, rel=0.2)


def times(realizations=4, until=4000.0, **options):
    return sj.run(**FAST | {"realizations": realizations, "until": until, "record": "2"} | options)


@pytest.mark.slow
def test_ten_of_ten_trainings_grok_when_they_were_measured_to():
    frame = times(10)
    assert frame["t_test_99"].between(350, 900).all()
    assert frame["t_train_99"].between(10, 25).all()


@pytest.mark.slow
def test_weight_decay_times_the_grokking_time_is_nearly_constant():
    frame = times(weight_decay="0.3,0.5,4")
    product = (frame["weight_decay"] * frame["t_test_99"]).groupby(frame["weight_decay"]).median()
    assert product.between(350, 700).all()


@pytest.mark.slow
def test_without_decay_it_does_not_generalise_at_the_usual_rate():
    frame = times(weight_decay=0.0)
    assert frame["t_train_99"].notna().all()
    assert frame["t_test_99"].isna().all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("operation", "fraction", "until", "measured"),
    [
        ("a-b", 0.5, 4000.0, 520),
        ("a^2+b^2", 0.5, 4000.0, 1350),
        ("a*b", 0.5, 4000.0, 570),
        ("a^3+ab^2+b", 0.8, 3000.0, None),
    ],
)
def test_operations_are_learned_or_not_as_measured_before(operation, fraction, until, measured):
    found = times(operation=operation, fraction=fraction, until=until)["t_test_99"]
    if measured is None:
        assert found.isna().all()
    else:
        # The earlier numbers are of one draw each, and a few pairs decide.
        assert measured / 3 < found.median() < 2 * measured


@pytest.mark.slow
def test_rows_that_share_lanes_or_are_stopped_are_looked_at_as_often():
    options = {**FAST, "p": 5, "width": 32, "fraction": 0.8, "realizations": 6, "until": 150.0, "learning_rate": 0.02}
    alone = sj.run(**options, record="0:150:10")
    together = sj.run(**options, record="0:150:10", engine=Engine(lanes=4))
    stopped = sj.run(**options, record="0:150:10", stop="train_accuracy>=0.99")
    for name in ("t_train_50", "t_train_99"):
        assert alone[name].equals(together[name])
        assert alone[name].equals(stopped[name])
    assert stopped["stopped"].all()
