"""Trajectories through the whole engine: what a row holds, and that it is the same however it is computed."""

from statistics import NormalDist

import everyday
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls
from sweepjax_cli import app
from training import flow_by_scipy

import sweepjax as sj
from sweepjax.engine.engine import Engine
from sweepjax.sweep.sweep import Sweep

FLOW = Sweep(solver="gradient_flow", until=1e6).replaced(n=24, d="8,16", sigma="1,5", realizations=5)
CURVES = ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "s_norm", "b"]


@pytest.fixture(scope="module")
def flows():
    return run(FLOW)


def run(sweep, **options):
    """The rows in the order of the sweep: files are in that of their names, which tell the times apart."""
    return sj.run(sweep, **options).sort_values(["d", "sigma", "realization"], ignore_index=True)


def curve(frame, name):
    return np.stack(frame[name].to_numpy())


@pytest.mark.slow
def test_a_row_holds_the_curves_of_one_realization(flows):
    assert len(flows) == 20
    for name in ("time", *CURVES):
        assert curve(flows, name).shape == (20, len(FLOW.times))
    np.testing.assert_array_equal(curve(flows, "time")[0], FLOW.times)
    assert flows.converged.all()


@pytest.mark.slow
def test_steps_come_with_times_where_the_rate_is_constant():
    frame = sj.run(solver="gradient_descent", n=24, d=8, learning_rate="0.1,0.5", realizations=2, until=100)
    np.testing.assert_allclose(curve(frame, "time"), curve(frame, "step") * frame.learning_rate.to_numpy()[:, None])
    assert curve(frame, "step").dtype == np.int64


@pytest.mark.slow
def test_scipy_agrees_on_redrawn_datasets_at_every_recorded_time(flows):
    for _, row in flows.iloc[::3].iterrows():
        x = np.asarray(sj.dataset(row).x)
        start = first_weights(row)
        s, b = flow_by_scipy(x, row.time, start=start)
        np.testing.assert_allclose(row.s_norm, np.linalg.norm(s, axis=1), rtol=1e-4)
        np.testing.assert_allclose(row.b, b, rtol=1e-4, atol=1e-4)
        z = x.astype(np.float64) @ s.T + b
        np.testing.assert_allclose(row.train_loss, np.mean(np.logaddexp(0, z), axis=0), rtol=2e-3)
        np.testing.assert_allclose(row.test_loss, sj.theory.population_loss(row.b, row.sigma * row.s_norm), rtol=1e-10)
        np.testing.assert_allclose(
            row.test_accuracy, sj.theory.population_accuracy(row.b, row.sigma * row.s_norm), rtol=1e-12
        )


def first_weights(row):
    """The start of a row, drawn again as its dataset is."""
    import jax  # noqa: PLC0415

    from sweepjax.keys import realization_keys  # noqa: PLC0415
    from sweepjax.models.logistic import Logistic  # noqa: PLC0415

    model = Logistic(n=row.n, d=row.d, sigma=row.sigma)
    with jax.enable_x64(True):
        keys = realization_keys(model, np.uint32(row.seed), np.uint32(row.realization))
        start = model.init(keys.init, None)
        return np.asarray(start.s), float(start.b)


@pytest.mark.slow
def test_every_solver_starts_from_the_same_weights_and_data(flows):
    flow = flows.query("d == 8 and sigma == 1")
    for solver in ("gradient_descent", "adam"):
        frame = sj.run(solver=solver, n=24, d=8, realizations=5, until=1)
        for name in CURVES:
            # Products with the data are of float32, and rounded in the order in which times are recorded side by side.
            exact = name in ("s_norm", "b")
            ours, others = (curve(each, name)[:, 0] for each in (frame, flow))
            np.testing.assert_allclose(ours, others, rtol=1e-12 if exact else 1e-7)


@pytest.mark.slow  # the compiler of every day
def test_widths_agree_to_the_promised_accuracy():
    everyday.run("import test_trajectories; test_trajectories.check_widths()")


def check_widths():
    one, wide = (run(FLOW.replaced(d=16), engine=Engine(lanes=lanes)) for lanes in (0, 3))
    for name in CURVES:
        np.testing.assert_allclose(curve(wide, name), curve(one, name), rtol=1e-5, atol=1e-12, err_msg=name)


@pytest.mark.slow
def test_the_time_after_the_end_does_not_change_the_time_before(flows):
    shorter, longer = run(FLOW.replaced(until=1e3, d=8)), flows.query("d == 8")
    np.testing.assert_array_equal(curve(shorter, "b"), curve(longer, "b")[:, : len(shorter.b[0])])


@pytest.mark.slow
def test_separable_draws_end_at_the_accuracy_of_their_margin():
    # The approach is like 1/log t and slow where a sample is nearly a support vector: a limit, loosely met.
    late = sj.run(solver="gradient_flow", n=10, lam="1.5", until=1e250, record="3", realizations=12, sigma=2)
    for _, row in late.iterrows():
        margin = hard_margin_by_scipy(np.asarray(sj.dataset(row).x, dtype=float))
        assert row.test_accuracy[-1] == pytest.approx(NormalDist().cdf(1 / (2 * margin)), abs=0.01)


def hard_margin_by_scipy(x):
    """The distance of the points' convex hull from the origin."""
    p, _ = nnls(np.vstack([x.T, np.ones(len(x))]), np.append(np.zeros(x.shape[1]), 1.0))
    return np.linalg.norm(x.T @ p) / p.sum()


@pytest.mark.slow
def test_rows_on_disk_are_read_by_pandas_as_arrays_of_one_length(tmp_path):
    options = ["--solver", "adam", "--n", "20", "--lambda", "0.5", "--until", "30", "--realizations", "3"]
    code = app(["run", *options, "-o", str(tmp_path / "run")])
    assert code == 0
    frame = pd.read_parquet(tmp_path / "run")
    assert list(frame.columns[-10:-1]) == [
        "train_loss",
        "log_train_loss",
        "train_accuracy",
        "test_loss",
        "log_test_loss",
        "test_accuracy",
        "log_test_error",
        "s_norm",
        "b",
    ]
    assert {len(values) for values in frame.step} == {len(frame.step[0])}


@pytest.mark.slow
def test_a_rate_that_diverges_is_a_row_that_says_so():
    frame = sj.run(
        solver="gradient_descent",
        n=24,
        d=8,
        sigma=5,
        loss="exponential",
        learning_rate="1e6",
        until=200,
        realizations=2,
    )
    assert frame.diverged.all()
    assert not np.isfinite(curve(frame, "b")[:, -1]).any()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--until", "-1"], "from 0"),
        (["--until", "inf"], "finite"),
        (["--until", "1e400"], "finite"),
        ([], "no end"),
        (["--until", "10", "--set", "tolerance=0"], "above 0"),
        (["--until", "10", "--observe", "nonsense"], "unknown observable"),
        (["--until", "10", "--model", "no_such"], "unknown model"),
        (["--solver", "limit", "--observe", "bias_ratio"], "no times to observe"),
        (["--solver", "limit", "--model", "labelled"], "signed_rows"),
        (["--model", "two_gaussians", "--until", "10", "--observe", "bias_ratio"], "needs a bias b"),
        (["--model", "two_point", "--solver", "exact", "--until", "1", "--set", "loss=logistic"], "only at loss"),
        (["--solver", "gradient_descent", "--until", "10.5"], "whole numbers"),
        (["--solver", "gradient_descent", "--until", "10", "--set", "learning_rate=0"], "above 0"),
        (["--solver", "adam", "--until", "10", "--set", "b1=1"], "below 1"),
        (["--model", "logistic", "--solver", "exact", "--until", "1"], "solution"),
    ],
    ids=str,
)
def test_bad_input_gets_one_sentence_and_no_directory(options, words, tmp_path, capsys):
    first = [] if "--solver" in options else ["--solver", "gradient_flow"]
    size = [] if "two_point" in options else ["--n", "20"]
    assert app(["run", *first, *size, *options, "-o", str(tmp_path / "run")]) == 2
    sentence = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_model_with_a_ratio_of_its_own_has_the_same_default_and_takes_it_by_place():
    assert len(Sweep(model="two_point", solver="exact", until=1.0).values["lam"]) == 21
    frame = sj.run("0.1,0.6", model="two_point", solver="exact", until=10, realizations=1)
    assert list(frame.lam) == [0.1, 0.6]


@pytest.mark.slow
def test_more_recorded_times_than_steps_are_merged_and_that_is_said(tmp_path, capsys):
    options = [
        "--solver",
        "sgd",
        "--n",
        "20",
        "--lambda",
        "0.5",
        "--until",
        "5",
        "--record",
        "50",
        "--realizations",
        "1",
    ]
    assert app(["run", *options, "-o", str(tmp_path / "run")]) == 0
    assert "merged" in capsys.readouterr().err
    assert list(sj.read(tmp_path / "run").step[0]) == [0, 1, 2, 3, 4, 5]
