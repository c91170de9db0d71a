"""The limit solver against independent solvers, exact laws and its own certificates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import linprog, minimize, nnls

from sweepjax import theory
from sweepjax.engine import Engine, dataset
from sweepjax.grid import Sweep
from sweepjax.run import run
from sweepjax.solvers._certificates import convexity_needed, margin_bounds, separates
from sweepjax.solvers.limit import columns, solve_limit

HULL = np.array([[1, 0.5], [-0.3, 0.8], [-1.2, -0.4]])
CONE = np.array([[1, 0.5], [-0.3, 0.8], [-1.2, 1.4]])


def solved(x):
    """The columns of given rows; None where a quantity does not exist."""
    with jax.enable_x64(True):
        x = jnp.asarray(x, dtype=jnp.float32)
        found = jax.jit(lambda x: columns(x, solve_limit(x)))(x)
    pairs = {name: value if isinstance(value, tuple) else (value, True) for name, value in found.items()}
    return {name: value.item() if exists else None for name, (value, exists) in pairs.items()}


def gaussian(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def linear_program_separates(x):
    return linprog(np.zeros(x.shape[1]), A_ub=x, b_ub=-np.ones(len(x)), bounds=(None, None), method="highs").success


def minimiser(x):
    def objective(s):
        z = x @ s
        weights = np.exp(z - z.max())
        return z.max() + np.log(weights.sum()), weights @ x / weights.sum()

    options = {"maxiter": 20000, "maxfun": 40000, "gtol": 1e-10, "ftol": 1e-16}
    return minimize(objective, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", options=options).x


def nearest_hull_point(x):
    p, _ = nnls(np.vstack([x.T, np.ones(len(x))]), np.append(np.zeros(x.shape[1]), 1.0))
    return np.linalg.norm(x.T @ p) / p.sum()


@pytest.fixture(scope="module")
def rows():
    return run("0.4:0.6:0.04", n=50, realizations=60)


def test_every_row_near_the_transition_is_certified(rows):
    assert rows["certified"].all()


def test_a_linear_program_agrees_on_separability(rows):
    for _, row in rows[rows["realization"] < 12].iterrows():
        assert linear_program_separates(np.asarray(dataset(row).x, dtype=float)) == row["separable"]


def test_lbfgs_finds_the_same_minimiser(rows):
    inseparable = rows[~rows["separable"] & (rows["realization"] < 12)]
    for _, row in inseparable.iterrows():
        x = np.asarray(dataset(row).x, dtype=float)
        s = minimiser(x)
        assert row["s_norm"] == pytest.approx(np.linalg.norm(s), rel=1e-4)
        assert row["loss_inf"] == pytest.approx(np.mean(np.exp(x @ s)), rel=1e-8)


def test_nonnegative_least_squares_finds_the_same_margin(rows):
    separable = rows[rows["separable"] & (rows["realization"] < 12)]
    for _, row in separable.iterrows():
        assert row["margin"] == pytest.approx(nearest_hull_point(np.asarray(dataset(row).x, dtype=float)), rel=1e-6)


def test_the_forces_balance_at_the_minimum(rows):
    assert rows["residual"].max() < 1e-12


def test_a_row_has_either_a_minimum_or_a_margin(rows):
    assert (rows["s_norm"].isna() == rows["separable"]).all()
    assert (rows["margin"].isna() != rows["separable"]).all()


def test_the_loss_is_at_least_one_over_n_and_at_most_one_when_inseparable(rows):
    assert rows["loss_inf"].dropna().between(1 / 50, 1).all()


def test_margin_gaps_are_closed(rows):
    assert rows["margin_gap"].dropna().between(0, 1e-6).all()


def test_separable_counts_follow_wendels_law():
    rows = run("0.3:0.7:0.1", n=20, realizations=400, seed=5)
    fraction = rows.groupby("d")["separable"].mean()
    exact = theory.separable_probability(n=20, d=fraction.index.to_numpy())
    # 5 points at 4 standard errors: one false alarm in 3000 seeds.
    assert (np.abs(fraction - exact) < 4 * np.sqrt(exact * (1 - exact) / 400)).all()


def test_sigma_scales_the_margin_and_divides_s_inf():
    rows = run("0.5", n=40, realizations=40, sigma="1,3")
    one, three = rows[rows["sigma"] == 1], rows[rows["sigma"] == 3]
    np.testing.assert_allclose(three["margin"], 3 * one["margin"].to_numpy(), rtol=1e-5)
    np.testing.assert_allclose(3 * three["s_norm"], one["s_norm"].to_numpy(), rtol=1e-4)


def test_rotating_the_data_changes_nothing():
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0]
    for seed in range(4):
        x = gaussian(40, 20, seed)
        one, other = solved(x), solved(x @ rotation)
        assert one["separable"] == other["separable"]
        value = "margin" if one["separable"] else "s_norm"
        assert one[value] == pytest.approx(other[value], rel=1e-4)


def test_three_points_around_the_origin_are_certified_inseparable_only_if_they_surround_it():
    assert solved(HULL)["separable"] is True
    assert solved(HULL)["margin"] == pytest.approx(0.08414063238, rel=1e-6)
    assert solved(HULL)["support_vectors"] == 2
    assert solved(CONE)["margin"] == pytest.approx(0.7120551045, rel=1e-6)
    assert solved([[1, 0], [-1, 1], [-1, -1]])["separable"] is False


def test_two_points_on_a_line_have_the_closed_form_minimum():
    x = 0.04
    assert solved([[-1.0], [x]])["s_norm"] == pytest.approx(np.log(1 / x) / (1 + x), rel=1e-6)


def test_a_margin_of_orthonormal_rows_is_one_over_root_n():
    assert solved(np.eye(4, 9))["margin"] == pytest.approx(0.5, rel=1e-7)


def test_when_every_point_is_a_support_vector_the_margin_is_that_of_the_gram_matrix():
    x = gaussian(6, 400)
    gram = x.astype(float) @ x.T.astype(float)
    assert solved(x)["margin"] == pytest.approx(1 / np.sqrt(np.linalg.inv(gram).sum()), rel=1e-7)
    assert solved(x)["support_vectors"] == 6


@pytest.mark.parametrize(
    "x", [np.zeros((5, 2)), [[1.0, 0.0], [-1.0, 0.0]], np.ones((1, 1)), np.repeat([[1.0, 2.0]], 4, 0)]
)
def test_degenerate_rows_are_answered_without_a_false_certificate(x):
    found = solved(x)
    assert found["certified"] == (np.asarray(x) @ np.sum(x, axis=0) > 0).all()


@pytest.mark.parametrize("seed", range(40))
def test_the_certificate_of_inseparability_agrees_with_exact_geometry_in_the_plane(seed):
    x = np.random.default_rng(seed).integers(-4, 5, (5, 2)).astype(float)
    x = x[np.any(x != 0, axis=1)]
    angles = np.sort(np.arctan2(x[:, 1], x[:, 0]))
    surrounded = len(x) > 1 and np.max(np.diff(np.append(angles, angles[0] + 2 * np.pi))) < np.pi - 1e-9
    found = solved(x)
    assert (found["certified"] and not found["separable"]) == surrounded


def test_a_nan_in_the_data_is_an_uncertified_row_not_an_error():
    x = gaussian(10, 3)
    x[4, 1] = np.nan
    assert solved(x)["certified"] is False


def test_certificates_refuse_float32():
    x, a = jnp.ones((3, 2)), jnp.ones(3)
    for prove in (lambda: separates(x, x[0]), lambda: margin_bounds(x, x[0], a), lambda: convexity_needed(x, a, a[0])):
        with pytest.raises(TypeError, match="float64"):
            prove()


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_the_program_lowers_for_accelerators(platform):
    family = next(Sweep().replaced(n=24, d=12).families())
    assert Engine(lanes=4).lower(family, platform).as_text()
