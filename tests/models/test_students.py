"""The student of a random teacher, and the diagonal network of any depth."""

import jax
import numpy as np
import pytest
from networks import columns, drawn, slopes

import sweepjax as sj
from sweepjax.models.deep_diagonal import DeepDiagonal
from sweepjax.models.teacher_student import TeacherStudent

STUDENT = TeacherStudent(n=40, n_test=30, width=10, tolerance=0.05)
DEEP = DeepDiagonal(n=30, d=20, n_test=50, alpha=4.0, layers=3)


def by_hand(network, x):
    *hidden, last = [tuple(np.asarray(part, np.float64) for part in layer) for layer in network]
    for weight, bias in hidden:
        x = np.tanh(x @ weight + bias)
    return x @ last[0] + last[1]


@pytest.mark.slow
def test_the_student_is_measured_by_its_distance_to_the_teacher():
    data, start = drawn(STUDENT)
    found = columns(STUDENT, start, data)
    for side, x, y in (("train", data.x, data.y), ("test", data.test_x, data.test_y)):
        errors = ((by_hand(start, np.asarray(x, np.float64)) - np.asarray(y)) ** 2).mean(axis=1)
        assert found[f"{side}_loss"] == pytest.approx(errors.mean(), rel=1e-4)
        assert found[f"{side}_accuracy"] == np.mean(errors < 0.05)
    one, other = slopes(STUDENT, start, data)
    assert one == pytest.approx(other, rel=1e-4)


@pytest.mark.slow
def test_the_student_starts_like_a_teacher_alpha_times_as_large():
    one, large = (drawn(TeacherStudent(n=4, n_test=4, alpha=alpha))[1] for alpha in (1.0, 2.0))
    np.testing.assert_allclose(large[1].weight, 2 * one[1].weight, rtol=1e-6)
    bound = 100**-0.5
    assert bound * 0.99 < float(np.abs(one[1].weight).max()) <= bound


def test_a_dataset_does_not_depend_on_alpha():
    one, other = (drawn(TeacherStudent(n=4, n_test=4, alpha=alpha))[0] for alpha in (0.5, 2.0))
    np.testing.assert_array_equal(one.y, other.y)


@pytest.mark.slow
def test_the_deep_network_starts_at_zero_with_the_norm_alpha():
    data, start = drawn(DEEP)
    found = columns(DEEP, start, data)
    assert found["norm"] == pytest.approx(4.0, rel=1e-6)
    assert found["train_accuracy"] == found["test_accuracy"] == 0.5
    assert found["train_loss"] == pytest.approx(np.log(2))


@pytest.mark.slow
def test_the_deep_network_is_a_difference_of_powers():
    data, start = drawn(DEEP)
    rng = np.random.default_rng(0)
    u, v = rng.standard_normal((2, 20)).astype(np.float32)
    params = start._replace(u=jax.numpy.asarray(u), v=jax.numpy.asarray(v))
    scores = np.asarray(data.x) @ (u.astype(float) ** 3 - v.astype(float) ** 3)
    found = columns(DEEP, params, data)
    assert found["train_loss"] == pytest.approx(np.logaddexp(0, -np.asarray(data.y) * scores).mean(), rel=1e-4)
    assert found["train_accuracy"] == np.mean(np.asarray(data.y) * scores > 0)
    one, other = slopes(DEEP, params, data)
    assert one == pytest.approx(other, rel=1e-4)


def test_labels_of_more_signs_than_there_are_are_refused():
    with pytest.raises(ValueError, match="give a sparsity of at most 4"):
        sj.run(model="deep_diagonal", solver="adam", d=4, sparsity=5, until=1.0)


@pytest.mark.slow
def test_the_deep_network_generalises_long_after_it_is_trained():
    frame = sj.run(
        model="deep_diagonal",
        solver="gradient_flow",
        layers=2,
        alpha=32.0,
        l2=0.01,
        until=800.0,
        record="20",
        realizations=1,
    )
    assert frame["t_train_99"][0] < 20
    assert frame["t_test_99"][0] > 10 * frame["t_train_99"][0]


@pytest.mark.slow
def test_the_student_learns_its_sample_first():
    frame = sj.run(
        model="teacher_student",
        solver="adamw",
        learning_rate=3e-3,
        weight_decay=0.05,
        until=3000.0,
        record="10",
        realizations=4,
    )
    assert frame["t_train_99"].notna().all()
    assert frame["train_loss"][0][-1] < frame["test_loss"][0][-1]
