"""The bias on exponential inputs: rows against their theory, and against small steps of the flow."""

import jax
import numpy as np
import pyarrow.dataset as pds
import pytest

import sweepjax as sj
from sweepjax.keys import realization_keys
from sweepjax.models.perceptron_exponential import PerceptronExponential
from sweepjax.recheck.perceptron_exponential import contradictions
from sweepjax.sweep.sweep import Sweep
from sweepjax.theory import perceptron_exponential as theory

DRAWS = 10_000
AXES = {"model": "perceptron_exponential", "solver": "exact", "n": 5, "epsilon": 0.2, "until": 14.0, "record": "4"}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    where = tmp_path_factory.mktemp("rows")
    sweep = Sweep.from_toml(AXES | {"l1": [0, 0.05], "l2": [0, 0.3], "init_bias": 4.0, "realizations": DRAWS})
    sj.run(sweep, out=where)
    return where


@pytest.fixture(scope="module")
def frame(path):
    return sj.read(path)


def of(frame, **fields):
    for name, value in fields.items():
        frame = frame[frame[name] == value]
    return frame.sort_values("realization")


@pytest.mark.parametrize("l1", [0.0, 0.05])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_as_many_draws_generalize_as_theory_says(frame, l1, l2):
    share = of(frame, l1=l1, l2=l2)["generalizes"].mean()
    exact = theory.generalizing_probability(theory.effective_gap(0.2, l1=l1, l2=l2), n=5)
    assert abs(share - exact) < 3 * np.sqrt(exact * (1 - exact) / DRAWS)


def test_shares_and_mean_delays_are_those_of_the_specification(frame):
    plain, penalized = of(frame, l1=0.0, l2=0.0), of(frame, l1=0.05, l2=0.3)
    # Three standard errors of 10^4 draws; delays within two per cent and their own error.
    assert plain["generalizes"].mean() == pytest.approx(0.500, abs=0.015)
    assert penalized["generalizes"].mean() == pytest.approx(0.696, abs=0.014)
    assert plain["t_grok"].mean() == pytest.approx(0.79, rel=0.05)
    assert penalized["t_grok"].mean() == pytest.approx(0.535, rel=0.05)


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_the_mean_delay_is_that_of_the_density(frame, l2):
    delays = of(frame, l1=0.0, l2=l2)["t_grok"].dropna()
    exact = theory.mean_grokking_time(0.2 * (1 + l2), n=5, l2=l2)
    assert abs(delays.mean() - exact) < 4 * delays.std() / np.sqrt(len(delays))


def excess(rows):
    """Draw E of many rows of one seed again [r 2 n]."""
    model = PerceptronExponential(n=5, epsilon=0.0)

    def drawn(realization):
        return model.sample(realization_keys(model, np.uint32(0), realization).data).x

    with jax.enable_x64(True):
        x = jax.jit(jax.vmap(drawn))(rows["realization"].to_numpy(np.uint32))
    return np.abs(x).reshape(-1, 2, 5)


def euler(excess, *, l1, l2, step=1e-3, until=14.0):
    """Walk the flow of many draws in small steps; return both times and the last bias."""
    mean = (excess[:, 0].mean(1) - excess[:, 1].mean(1)) / 2
    nearest = 0.2 + excess[:, 0].min(1)
    b = np.full(len(mean), 4.0)
    since = np.zeros((2, len(mean)))
    for k in range(int(until / step)):
        wrong = np.stack([b >= nearest, np.abs(b) >= 0.2])
        since[wrong] = (k + 1) * step
        b = b + step * (mean - (1 + l2) * b)
        b = np.sign(b) * np.maximum(np.abs(b) - step * l1, 0)
    return *since, b


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.05, 0.3), (0.0, 0.3)])
def test_times_and_ends_are_those_of_small_steps(frame, l1, l2):
    rows = of(frame, l1=l1, l2=l2).head(300)
    t_train, t_test, b = euler(excess(rows), l1=l1, l2=l2)
    np.testing.assert_allclose(rows["b_inf"], b, atol=1e-4)
    clear = np.abs(np.abs(b) - 0.2) > 1e-3
    np.testing.assert_array_equal(rows["generalizes"][clear], (np.abs(b) < 0.2)[clear])
    trained, tested = rows["t_train"].notna(), rows["generalizes"]
    early = tested & (rows["t_test"] < 10)
    np.testing.assert_allclose(rows["t_train"][trained], t_train[trained], atol=2e-2)
    np.testing.assert_allclose(rows["t_test"][early], t_test[early], atol=2e-2)


@pytest.mark.parametrize(("l2", "late"), [(0.3, 0.75), (1.0, 1.60)])
def test_without_its_prefactor_the_time_to_generalize_is_too_late(l2, late):
    rows = sj.run(**AXES | {"l2": l2, "init_bias": 4.0}, realizations=DRAWS).dropna(subset="t_test")
    printed = np.log((4 - rows["b_inf"]) / (0.2 - rows["b_inf"]))
    assert np.mean(printed - rows["t_test"]) == pytest.approx(late, rel=0.03)
    np.testing.assert_allclose(printed / (1 + l2), rows["t_test"], rtol=1e-9)


@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_the_error_falls_linearly_with_half_the_gap_as_its_mean_slope(frame, l2):
    rows = of(frame, l1=0.0, l2=l2)
    slope = (0.2 - rows["b_inf"]) * (1 + l2) / 2
    # Draws that pass through the gap cross zero error, too: with them the slope is another one.
    within, crossing = slope[rows["generalizes"]], slope[rows["generalizes"] | rows["transient"]]
    assert within.mean() == pytest.approx(0.1 * (1 + l2), rel=0.02)
    assert crossing.mean() > 1.4 * within.mean()
    if l2 == 0:
        assert crossing.mean() == pytest.approx(0.166, rel=0.02)
        assert rows["transient"].mean() == pytest.approx(0.25, abs=0.013)


@pytest.mark.parametrize("l2", [0.5, 1.0])
def test_a_wider_gap_makes_the_error_fall_as_much_faster(l2):
    rows = sj.run(**AXES | {"l2": l2}, realizations=DRAWS).query("generalizes")
    slope = (0.2 - rows["b_inf"]) * (1 + l2) / 2
    assert slope.mean() == pytest.approx(0.1 * (1 + l2), rel=0.02)


def test_the_delay_does_not_depend_on_where_beyond_all_inputs_the_bias_starts(frame):
    rows = of(frame, l1=0.05, l2=0.3).query("generalizes")
    far = sj.run(**AXES | {"l1": 0.05, "l2": 0.3, "init_bias": 40.0}, realizations=1000).query("generalizes")
    both = rows.merge(far, on="realization", suffixes=("", "_far")).query("b_inf < 0.2 and t_train > 0")
    assert len(both) > 600
    np.testing.assert_allclose(both["t_grok_far"], both["t_grok"], rtol=1e-9)


def test_the_exponent_of_the_error_is_one(frame):
    rows = of(frame, l1=0.0, l2=0.0).query("generalizes and t_grok > 0")
    early = np.geomspace(1e-4, 1e-2, 9)
    b = rows["b_inf"].to_numpy() + (0.2 - rows["b_inf"].to_numpy()) * np.exp(early[:, None])
    exponent, _ = np.polyfit(np.log(early), np.log(theory.test_error(b, epsilon=0.2).mean(1)), 1)
    assert exponent == pytest.approx(1, abs=0.002)


def test_a_time_that_never_comes_is_null_and_no_nan(path):
    table = pds.dataset(path, format="parquet", exclude_invalid_files=True).to_table()
    missing = table.num_rows - sum(table["generalizes"].to_pylist())
    for name in ("t_test", "t_grok"):
        assert table[name].null_count == missing
        assert not np.isnan(table[name].drop_null().to_numpy()).any()
    assert table["generalizes"].null_count == table["b_inf"].null_count == 0


def test_curves_are_those_of_the_facts(frame):
    rows = of(frame, l1=0.05, l2=0.3)
    last = {name: np.stack(rows[name])[:, -1] for name in ("b", "test_accuracy", "train_accuracy")}
    np.testing.assert_allclose(last["b"], rows["b_inf"], atol=1e-6)
    assert np.all(last["test_accuracy"][rows["t_test"] < 14] == 1)
    assert np.all(last["test_accuracy"][~rows["generalizes"]] < 1)
    assert np.all((last["train_accuracy"] == 1) >= (rows["t_train"] < 14))


@pytest.mark.parametrize("b", [0.0, -4.0])
def test_the_penalty_holds_the_bias_at_zero(b):
    frame = sj.run(**AXES | {"epsilon": 0, "l1": 10.0, "init_bias": b}, realizations=2)
    assert np.all(np.stack(frame["b"])[:, -1] == 0)
    assert frame["generalizes"].all()
    assert np.all((frame["t_test"] == 0) == (b == 0))


def test_a_phase_diagram_is_one_program_for_each_number_of_inputs():
    sweep = Sweep.from_toml(AXES | {"epsilon": "log:1e-3:1@2000", "n": "1,2,3,5,10"})
    assert (sweep.points, sweep.family_count) == (10_000, 5)


@pytest.mark.slow
def test_gradient_flow_agrees_where_there_is_no_kink():
    options = AXES | {"l1": 0, "l2": 0.3, "realizations": 3, "init_bias": 4.0}
    exact, flow = (sj.run(**options | {"solver": solver}) for solver in ("exact", "gradient_flow"))
    for name in ("b", "train_loss", "test_loss"):
        np.testing.assert_allclose(np.stack(exact[name]), np.stack(flow[name]), rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("l1", [0.0, 0.05])
def test_scipy_finds_rows_again_and_sees_what_is_wrong(frame, l1):
    row = of(frame, l1=l1, l2=0.3).query("generalizes").iloc[0].to_dict()
    assert list(contradictions(row, None, sj.dataset(row))) == []
    wrong = row | {"b_inf": row["b_inf"] + 1e-3, "generalizes": False, "t_test": row["t_test"] + 0.1}
    found = {each.column for each in contradictions(wrong, None, sj.dataset(row))}
    assert found == {"b_inf", "generalizes", "t_test"}
