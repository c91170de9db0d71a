"""The limit solver against independent solvers, exact laws and its own certificates."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy.optimize import linprog, minimize, nnls
from scipy.special import softmax

from sweepjax import theory
from sweepjax.engine.engine import Engine
from sweepjax.engine.redraw import dataset
from sweepjax.recheck.limit import minimiser as polished
from sweepjax.run import run
from sweepjax.solvers._limit import margin, newton, relaxation
from sweepjax.solvers._limit.certificates import convexity_needed, margin_bounds, separates, surrounds
from sweepjax.solvers._limit.linear import factorise
from sweepjax.solvers._limit.stages import rows_of
from sweepjax.solvers.limit import columns, solve_limit
from sweepjax.sweep.sweep import Sweep

HULL = np.array([[1, 0.5], [-0.3, 0.8], [-1.2, -0.4]])
TWICE = np.tile(np.eye(3), (2, 1))  # the same points twice: one shape for every test in the plane
CONE = np.array([[1, 0.5], [-0.3, 0.8], [-1.2, 1.4]])


@jax.jit
def limit(x):
    return columns(rows_of(x), solve_limit(x))


def solved(x, by=limit):
    """The columns of given rows; None where a quantity does not exist."""
    with jax.enable_x64(True):
        found = by(jnp.asarray(x, dtype=jnp.float32))
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
    """Both sides of the transition and the transition itself, at σ = 1."""
    return both_sigmas().query("sigma == 1").reset_index(drop=True)


@cache
def both_sigmas():
    return run("0.4:0.6:0.1", n=50, realizations=100, sigma="1,2")


@pytest.mark.slow
def test_every_row_near_the_transition_is_certified(rows):
    assert rows["certified"].all()


@pytest.mark.slow
def test_a_linear_program_agrees_on_separability(rows):
    for _, row in rows[rows["realization"] < 15].iterrows():
        assert linear_program_separates(np.asarray(dataset(row).x, dtype=float)) == row["separable"]


@pytest.mark.slow
def test_lbfgs_finds_the_same_minimiser(rows):
    inseparable = rows[~rows["separable"] & (rows["realization"] < 15)]
    for _, row in inseparable.iterrows():
        x = np.asarray(dataset(row).x, dtype=float)
        s = minimiser(x)
        assert row["s_norm"] == pytest.approx(np.linalg.norm(s), rel=1e-4)
        assert row["loss_inf"] == pytest.approx(np.mean(np.exp(x @ s)), rel=1e-8)


@pytest.mark.slow
def test_the_relaxation_rate_is_the_least_eigenvalue_of_the_hessian_at_the_minimum(rows):
    inseparable = rows[~rows["separable"] & (rows["realization"] < 15)]
    for _, row in inseparable.iterrows():
        x = np.asarray(dataset(row).x, dtype=float)
        hessian = (x.T * softmax(x @ polished(x))) @ x
        assert row["relaxation_rate"] == pytest.approx(np.linalg.eigvalsh(hessian)[0], rel=1e-4)


@pytest.mark.parametrize(("gain", "rate"), [(1e-7, 4), (1e-5, np.nan), (np.inf, np.nan), (np.nan, np.nan)])
def test_a_relaxation_rate_whose_search_has_not_settled_is_nan(gain, rate):
    with jax.enable_x64(True):
        x, z, v = jnp.array([[2.0, 0], [-2, 0]]), jnp.zeros(2), jnp.array([1.0, 0])
        end = relaxation.unknown(2, 2)._replace(v=v, value=jnp.ones(()), gain=jnp.array(gain))
        np.testing.assert_allclose(relaxation.relaxation_rate(x, z, end), rate)


@pytest.mark.slow
def test_a_row_whose_relaxation_rate_is_not_found_in_time_is_certified_without_it(monkeypatch):
    x = gaussian(40, 20, seed=2)
    usual = solved(x)
    monkeypatch.setattr(relaxation, "SOLVES", 1)
    found = solved(x, by=jax.jit(lambda x: columns(rows_of(x), solve_limit(x))))
    assert usual["relaxation_rate"] > 0
    assert np.isnan(found["relaxation_rate"])
    assert found["certified"]
    assert found["s_norm"] == pytest.approx(usual["s_norm"], rel=1e-9)


@pytest.mark.slow
def test_separable_rows_have_no_relaxation_rate(rows):
    assert (rows["relaxation_rate"].isna() == rows["separable"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-30, *(pytest.param(scale, marks=pytest.mark.slow) for scale in (1e-20, 1e20))])
def test_the_scale_of_the_data_changes_no_verdict_and_no_digit(scale):
    for seed in (0, 2):  # separable, and inseparable
        x = gaussian(40, 20, seed)
        one, other = solved(x), solved(np.float32(scale) * x)
        assert other["certified"]
        assert one["separable"] == other["separable"]
        for name, power in (("s_norm", -1), ("margin", 1), ("relaxation_rate", 2), ("loss_inf", 0)):
            expected = None if one[name] is None else pytest.approx(one[name] * scale**power, rel=1e-4)
            assert other[name] == expected, name


@pytest.mark.slow
def test_centred_data_are_certified_at_a_minimum_of_zero_which_has_no_direction():
    half = gaussian(20, 20)
    found = solved(np.concatenate([half, -half]))
    assert found["certified"]
    assert not found["separable"]
    assert found["s_norm"] < 1e-14
    assert found["loss_inf"] == pytest.approx(1)


@pytest.mark.slow
def test_nonnegative_least_squares_finds_the_same_margin(rows):
    separable = rows[rows["separable"] & (rows["realization"] < 15)]
    for _, row in separable.iterrows():
        assert row["margin"] == pytest.approx(nearest_hull_point(np.asarray(dataset(row).x, dtype=float)), rel=1e-6)


@pytest.mark.slow
def test_most_minima_take_one_factor(rows):
    # Of 100 draws at λ = 0.4: message passing comes near enough, and the factor leads on and proves.
    below = rows.query("lam < 0.45 and not separable")
    assert below.iterations.median() == 1
    assert below.iterations.mean() < 1.2


@pytest.mark.slow
def test_the_forces_balance_at_the_minimum(rows):
    assert rows["residual"].max() < 1e-12


@pytest.mark.slow
def test_a_row_has_either_a_minimum_or_a_margin(rows):
    assert (rows["s_norm"].isna() == rows["separable"]).all()
    assert (rows["margin"].isna() != rows["separable"]).all()


@pytest.mark.slow
def test_the_loss_is_at_least_one_over_n_and_at_most_one_when_inseparable(rows):
    assert rows["loss_inf"].dropna().between(1 / 50, 1).all()


@pytest.mark.slow
def test_margin_gaps_are_closed(rows):
    assert rows["margin_gap"].dropna().between(0, 1e-6).all()


@pytest.mark.slow
def test_separable_counts_follow_wendels_law(rows):
    fraction = rows.groupby("d")["separable"].mean()
    exact = theory.separable_probability(n=50, d=fraction.index.to_numpy())
    # 3 points at 4 standard errors: one false alarm in 5000 seeds.
    assert (np.abs(fraction - exact) < 4 * np.sqrt(exact * (1 - exact) / 100)).all()


@pytest.mark.slow
def test_doubling_sigma_doubles_the_margin_and_halves_s_inf():
    one, two = (both_sigmas().query(f"sigma == {sigma}") for sigma in (1, 2))
    np.testing.assert_allclose(two["margin"], 2 * one["margin"].to_numpy(), rtol=1e-5)
    np.testing.assert_allclose(2 * two["s_norm"], one["s_norm"].to_numpy(), rtol=1e-4)


@pytest.mark.slow
def test_rotating_the_data_changes_nothing():
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((20, 20)))[0]
    for seed in range(4):
        x = gaussian(40, 20, seed)
        one, other = solved(x), solved(x @ rotation)
        assert one["separable"] == other["separable"]
        value = "margin" if one["separable"] else "s_norm"
        assert one[value] == pytest.approx(other[value], rel=1e-4)


def test_points_on_all_sides_are_certified_inseparable():
    found = solved(TWICE @ np.array([[1, 0], [-1, 1], [-1, -1]]))
    assert (found["separable"], found["certified"]) == (False, True)


@pytest.mark.parametrize(("points", "margin"), [(HULL, 0.08414063238), (CONE, 0.7120551045)])
def test_three_points_have_the_margin_of_their_nearest_hull_point(points, margin):
    found = solved(TWICE @ points)
    assert found["certified"]
    assert found["margin"] == pytest.approx(margin, rel=1e-6)


@pytest.mark.slow
def test_two_points_on_a_line_have_the_closed_form_minimum():
    x = 0.04
    assert solved([[-1.0], [x]])["s_norm"] == pytest.approx(np.log(1 / x) / (1 + x), rel=1e-6)


@pytest.mark.slow
def test_a_margin_of_orthonormal_rows_is_one_over_root_n():
    assert solved(np.eye(6, 400))["margin"] == pytest.approx(1 / np.sqrt(6), rel=1e-7)


@pytest.mark.slow
def test_when_every_point_is_a_support_vector_the_margin_is_that_of_the_gram_matrix():
    x = gaussian(6, 400)
    gram = x.astype(float) @ x.T.astype(float)
    found = solved(x)
    assert found["margin"] == pytest.approx(1 / np.sqrt(np.linalg.inv(gram).sum()), rel=1e-7)
    assert found["support_vectors"] == 6


@pytest.mark.parametrize("points", [np.zeros((3, 2)), [[1, 0], [-1, 0], [1, 0]], [[1, 0], [-1, 0], [0, 1]]])
def test_points_neither_separable_nor_around_the_origin_are_never_certified(points):
    assert solved(TWICE @ points)["certified"] is False


def test_equal_points_are_separable_with_their_norm_as_margin():
    assert solved(TWICE @ np.tile([3.0, 4.0], (3, 1)))["margin"] == pytest.approx(5, rel=1e-6)


@pytest.mark.parametrize("seed", range(60))
def test_the_certificates_agree_with_exact_geometry_in_the_plane(seed):
    x = np.random.default_rng(seed).integers(1, 5, (6, 2)) * np.random.default_rng(seed + 999).choice([-1, 1], (6, 2))
    angles = np.sort(np.arctan2(x[:, 1], x[:, 0]))
    widest = np.max(np.diff(np.append(angles, angles[0] + 2 * np.pi)))
    found = solved(x)
    if found["certified"]:
        assert found["separable"] == (widest > np.pi)
    else:
        assert widest == pytest.approx(np.pi)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 20))])
def test_a_factor_at_one_point_proves_nothing_false_at_another(seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((12, 6))
    p, weights = softmax(x @ minimiser(x)), rng.exponential(size=12)
    curvature = np.linalg.eigvalsh(x.T * weights @ x)[0]
    with jax.enable_x64(True):
        proved = surrounds(*(jnp.asarray(value) for value in (x, p, weights, curvature)))
    assert bool(proved) == (not linear_program_separates(x))


def test_nothing_is_proved_where_the_points_that_curve_have_no_weight():
    x = np.array([[1, 1e-3], [-1, 1e-3], [0, 1]])  # separable, and nearly not without the last one
    weights, p = np.ones(3), np.array([0.5, 0.5, 1e-9])
    curvature = np.linalg.eigvalsh(x.T * weights @ x)[0]
    assert np.linalg.norm(p @ x) < curvature
    with jax.enable_x64(True):
        assert not surrounds(*(jnp.asarray(value) for value in (x, p, weights, curvature)))


@pytest.mark.slow
def test_a_descent_given_up_too_early_goes_on_where_no_margin_is_found(monkeypatch):
    monkeypatch.setattr(newton, "EARLY", 1)
    monkeypatch.setattr(newton, "FAR_OFF", 0.0)
    hasty = jax.jit(solve_limit)
    more = 0
    for seed in range(8):
        x = gaussian(40, 18, seed)
        with jax.enable_x64(True):
            answer = hasty(jnp.asarray(x))
        usual = solved(x)
        assert answer.certified
        assert bool(answer.separable) == usual["separable"]
        if not usual["separable"]:
            assert np.linalg.norm(answer.minimum.s) == pytest.approx(usual["s_norm"], rel=1e-9)
            more += answer.margin.factors > 0
    assert more


def test_steps_that_remember_the_last_get_nearer_with_the_same_factor():
    with jax.enable_x64(True):
        x = jnp.asarray(gaussian(100, 40), jnp.float64)
        factor = factorise(x.T @ x, 0.0, 1e-13)  # of equal weights, so that it is none of the minimum's
        start = newton.nowhere(100, 40)._replace(factor=factor)
        step = jax.jit(lambda it, last: newton._step(x, it._replace(last=last)))
        one = other = step(start, start.last)
        for _ in range(15):
            one, other = step(one, one.last), step(other, start.last)
    assert 0 < one.decrement.item() < 1e-2 * other.decrement.item()


def test_a_nan_in_the_data_is_an_uncertified_row_not_an_error():
    x = gaussian(6, 2)
    x[4, 1] = np.nan
    assert solved(x)["certified"] is False


def test_certificates_refuse_float32():
    x, a = jnp.ones((3, 2)), jnp.ones(3)
    proofs = (
        lambda: separates(x, x[0]),
        lambda: margin_bounds(x, a[0], x[0], a),
        lambda: convexity_needed(x, a, a[0]),
        lambda: surrounds(x, a, a, a[0]),
    )
    for prove in proofs:
        with pytest.raises(TypeError, match="float64"):
            prove()


def test_nothing_is_proved_of_rows_whose_squares_underflow():
    with jax.enable_x64(True):
        x = jnp.full((3, 2), 1e-150, jnp.float64)
        assert not separates(x, jnp.ones(2, jnp.float64))
        assert separates(1e100 * x, jnp.ones(2, jnp.float64))


@pytest.mark.parametrize("bad", [np.nan, -np.inf, np.inf])
@pytest.mark.parametrize("n", [8, 400])  # on a CPU the smallest of many numbers side by side leaves out nan
def test_nothing_is_proved_of_points_that_are_no_numbers(n, bad):
    with jax.enable_x64(True):
        x, w = jnp.ones((64, n, 2), jnp.float64), jnp.ones(2, jnp.float64)
        holed, lanes = x.at[:, 3, 1].set(bad), jax.vmap(separates, (0, None, None))
        assert lanes(x, w, jnp.float64(2)).all()
        assert not lanes(holed, w, jnp.float64(2 if np.isnan(bad) else np.inf)).any()
        assert not jax.vmap(lambda x: separates(x, w))(holed).any()
        p = jnp.full(n, 1 / n)
        assert not jax.vmap(lambda x: surrounds(x, p, p, jnp.float64(1e9)))(holed).any()
        lower, upper = jax.vmap(lambda x: margin_bounds(x, jnp.float64(2), w, p))(holed)
        assert not (upper - lower < 1e-6).any()


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["cuda", pytest.param("tpu", marks=pytest.mark.slow)])
def test_the_program_lowers_for_accelerators(platform):
    family = next(Sweep().replaced(n=24, d=12).families())
    text = Engine(lanes=4).lower(family, platform).as_text()
    # Of triangular systems only those of an inverse: the unknowns of one with a single right side wait for each other.
    systems = [line.partition(" : ")[2] for line in text.splitlines() if "triangular_solve" in line]
    assert systems
    assert all("x12xf32>" in each or "x12xf64>" in each for each in systems)


@pytest.mark.slow
@pytest.mark.parametrize("d", [20, 30])
def test_what_accelerators_compute_is_what_a_cpu_computes(d, monkeypatch):
    x = np.random.default_rng(d).standard_normal((6, 60, d)).astype(np.float32)
    with jax.enable_x64(True):
        here = jax.vmap(limit)(x)
        monkeypatch.setattr(lax, "platform_dependent", lambda *arguments, default, **_: default(*arguments))
        there = jax.jit(jax.vmap(lambda x: columns(rows_of(x), solve_limit(x))))(x)
    for name in ("separable", "certified"):
        np.testing.assert_array_equal(here[name], there[name])
    assert np.all(here["certified"])
    for name in ("s_norm", "loss_inf", "margin", "relaxation_rate"):
        np.testing.assert_allclose(*(np.where(*found[name][::-1], 0) for found in (here, there)), rtol=1e-6)


@pytest.mark.slow
def test_a_draw_with_a_margin_of_one_in_ten_thousand_is_decided():
    row = {"model": "logistic", "n": 400, "d": 208, "sigma": 1.0, "loss": "logistic", "init_norm": 0.1, "init_bias": 0}
    x = np.asarray(dataset(row | {"seed": 0, "realization": 3098}).x)
    found = solved(x)
    assert found["certified"]
    assert found["margin"] == pytest.approx(1.64544e-4, rel=1e-5)
    assert found["margin"] == pytest.approx(nearest_hull_point(x.astype(float)), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "realization"), [(1182, 138), (1188, 145), (1191, 137), (1191, 155)])
def test_the_hardest_draws_at_the_size_of_the_paper_are_decided(d, realization):
    # Of 800 draws these four have margins of 0.0004 to 0.004, and once were too much for factors of float32.
    row = {"model": "logistic", "n": 2400, "d": d, "sigma": 1.0, "loss": "logistic", "init_norm": 0.1, "init_bias": 0}
    found = solved(dataset(row | {"seed": 0, "realization": realization}).x)
    assert found["separable"]
    assert found["certified"]


def test_a_bound_that_is_no_number_replaces_none():
    def bounds(lower):
        return margin.Margin(*(jnp.asarray(value) for value in (0.0, lower, 1.0, 3, 5)))

    known, better, broken = bounds(0.9), bounds(0.99), bounds(np.nan)
    for one, other, lower in ((known, broken, 0.9), (broken, known, 0.9), (known, better, 0.99), (better, known, 0.99)):
        assert float(margin._better(one, other).lower) == pytest.approx(lower)
