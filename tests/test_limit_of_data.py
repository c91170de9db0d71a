"""`sj.limit`: the columns of solver `limit` for data of anybody's."""

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

import sweepjax as sj
from sweepjax.engine import programs
from sweepjax.primitives import padding
from sweepjax.recheck.limit import minimiser

R, N, D = 12, 6, 3
X = np.random.default_rng(0).standard_normal((R, N, D)).astype(np.float32)
Y = np.random.default_rng(1).integers(0, 2, (R, N))


@pytest.fixture(scope="module")
def frame():
    return sj.limit(X, Y)


def separates(x, y):
    """Whether a linear program finds w with x_i·w >= 1 for the label 1 and <= -1 for the other."""
    sides = -(2 * y - 1)[:, None] * x
    return linprog(np.zeros(D), A_ub=sides, b_ub=-np.ones(N), bounds=(None, None), method="highs").success


def test_separability_is_that_of_a_linear_program_on_the_same_labels(frame):
    assert 0 < frame["separable"].sum() < R
    assert frame["certified"].all()
    assert frame["separable"].tolist() == [separates(x.astype(float), y) for x, y in zip(X, Y, strict=True)]


def test_one_dataset_is_a_row_of_many(frame):
    row = sj.limit(X[3], Y[3])
    assert row.equals(frame.iloc[3])


def test_the_names_of_the_labels_do_not_matter(frame):
    assert sj.limit(X, np.where(Y == 1, "sick", "healthy")).equals(frame)


@pytest.mark.slow
@pytest.mark.parametrize("lam", [0.4, 0.6])
def test_rows_of_a_run_are_solved_as_in_the_run_to_the_bit(lam):
    rows = sj.run(lam=lam, n=40, realizations=4)
    found = sj.limit(np.stack([sj.dataset(row).x for _, row in rows.iterrows()]))
    pd.testing.assert_frame_equal(rows[list(found)], found, check_dtype=False, check_exact=True)


@pytest.mark.slow
def test_float64_data_are_solved_as_they_are(frame):
    inside = int(np.argmin(frame["separable"]))
    x = X[inside] * (1 + 1e-8 * np.random.default_rng(2).standard_normal((N, D)))
    exact = np.linalg.norm(minimiser(np.where(Y[inside] == 1, -1, 1)[:, None] * x))
    assert sj.limit(x, Y[inside])["s_norm"] == pytest.approx(exact, rel=1e-11)


def test_shapes_that_are_near_share_a_program(monkeypatch):
    monkeypatch.setattr(programs, "_programs", {})
    for d in (9, 10):
        sj.limit(np.random.default_rng(d).standard_normal((2, 20, d)))
    assert padding.width(20, 9) == padding.width(20, 10)
    assert len(programs._programs) == 1


def test_data_on_the_border_are_uncertified():
    x = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 1, 1]], np.float32)
    assert not sj.limit(x)["certified"]


def test_arrays_of_jax_are_data(frame):
    assert sj.limit(jnp.asarray(X), jnp.asarray(Y)).equals(frame)


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        (np.ones(3), None, "shape"),
        (np.ones((0, 3)), None, "at least one"),
        (np.full((2, 2), np.nan), None, "not finite"),
        (np.full((2, 2), 1e-200), None, "closer to 1"),
        (np.ones((2, 2), complex), None, "real numbers"),
        (np.array([["a", "b"]]), None, "real numbers"),
        (np.ones((2, 2)), [0, 1, 1], "one label a sample"),
        (np.ones((3, 2)), [0, 1, 2], "two values"),
        (np.ones((2, 2)), [0, np.nan], "y holds values that are not finite"),
        (np.ones((2, 2)), [0, np.inf], "y holds values that are not finite"),
        (np.ones((2, 2)), [0, 1j], "y holds complex128"),
        (np.ones((2, 2)), np.array([None, "b"], dtype=object), "y holds object"),
        (np.ones((2, 2)), np.array(["2020-01-01"] * 2, dtype="datetime64[D]"), "y holds datetime64"),
        (np.ones((2, 2)), np.ma.masked_less([0, 1], 1), "y is masked in part"),
        ([[1.0], [1.0, 2.0]], None, "x has rows of unequal length"),
    ],
)
def test_what_is_no_data_is_refused_in_a_sentence(x, y, said):
    with pytest.raises(ValueError, match=said):
        sj.limit(x, y)


def test_an_engine_that_is_none_is_refused():
    with pytest.raises(ValueError, match="engine = 'cpu' is not allowed"):
        sj.limit(X, engine="cpu")


def test_texts_are_labels_as_pandas_has_them(frame):
    assert sj.limit(X[0], pd.Categorical(np.where(Y[0] == 1, "yes", "no"))).equals(frame.iloc[0])
