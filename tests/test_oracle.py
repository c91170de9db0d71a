"""What theory says beforehand: on the command line, and that it says nothing false."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.dataset as pds
import pytest
from sweepjax_cli import app

import sweepjax as sj
from sweepjax import oracle
from sweepjax.figures.foretold import foretold
from sweepjax.presets import preset, preset_names
from sweepjax.reducers.foretold import Foretold
from sweepjax.store.rows import scan
from sweepjax.sweep.sweep import Sweep

SMALL = {"model": "linear_regression", "solver": "exact_descent", "d": 30, "until": 1e6, "realizations": 10}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    where = tmp_path_factory.mktemp("rows")
    sj.run(Sweep.from_toml(SMALL | {"n": "10,60", "l2": "0,0.1"}), out=where)
    return scan([where])


@pytest.mark.slow
def test_a_plan_says_what_cannot_generalize(capsys):
    arguments = "run --model perceptron_ball --solver exact --until 1 --record 2 --set epsilon=0.5 --plan"
    assert app(arguments.split()) == 0
    assert "theory    the only point: cannot generalize" in capsys.readouterr().out


def test_a_table_of_a_model_has_a_line_a_point(capsys):
    assert app(["theory", "linear_regression", "--lambda", "0.5,1.5", "--set", "l2=0,0.01"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.startswith("lam,n,d,l2,train_accuracy")
    assert [line.endswith(",0.0") for line in lines] == [False, False, True, True]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("margin", "give --lambda"),
        ("two_point", "knows nothing of these points"),
        ("margins --lambda 0.6", "did you mean 'margin'"),
        ("margin --lambda 0.6 --set l2=1", "--set is for models"),
        ("perceptron_ball --set epsilon=-1", "epsilon = -1 is not allowed"),
    ],
)
def test_what_is_no_question_is_refused(arguments, sentence, capsys):
    assert app(["theory", *arguments.split()]) == 2
    assert sentence in capsys.readouterr().err


def test_limits_of_a_sweep_name_the_fields_that_vary():
    sweep = Sweep.from_toml(SMALL | {"n": 60, "l2": "0,1"})
    assert [point for point, _ in oracle.foretold(sweep)] == [{"l2": 0.0}, {"l2": 1.0}]


@pytest.mark.slow
def test_what_was_foretold_came_true(rows):
    table = Foretold()(rows)
    ends = table[table["quantity"] == "test_loss_inf"]
    np.testing.assert_allclose(ends["mean"], ends["theory"], rtol=0.25, atol=1e-12)
    assert set(table["rows"].dropna()) == {10}


@pytest.mark.slow
def test_theory_of_one_value_is_not_held_against_rows_of_several(rows):
    with pytest.raises(ValueError, match="l2 varies within a point"):
        Foretold(by="lam")(rows)
    pd.testing.assert_frame_equal(Foretold(by="lam,l2")(rows)[["mean", "theory"]], Foretold()(rows)[["mean", "theory"]])


@pytest.mark.slow
def test_no_draw_generalizes_of_which_it_was_said_that_it_cannot(rows):
    table = Foretold()(rows)
    accuracies = table[(table["verdict"] == "cannot generalize") & (table["quantity"] == "test_accuracy")]
    assert len(accuracies) >= 2
    assert (accuracies["mean"] < 0.95).all()


@pytest.mark.slow
def test_a_figure_draws_theory_through_the_rows(rows):
    figure = foretold(rows)
    assert {axes.get_ylabel() for axes in figure.axes} >= {"test loss inf", "test accuracy"}
    assert all(axes.lines for axes in figure.axes)


@pytest.mark.slow
def test_a_single_point_has_no_axis_to_draw_over(tmp_path):
    sj.run(Sweep.from_toml(SMALL | {"n": 10, "realizations": 1}), out=tmp_path)
    with pytest.raises(ValueError, match="one point"):
        foretold(scan([tmp_path]))


@pytest.mark.slow
def test_rows_of_a_model_without_theory_are_refused(rows):
    other = rows.to_table().set_column(0, "model", [["two_point"] * rows.count_rows()])
    with pytest.raises(ValueError, match="knows nothing"):
        Foretold()(pds.dataset(other))


LARGE = ("linear_layers",)
ASKED = [pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else []) for name in preset_names()]


@pytest.mark.parametrize("name", ASKED)
def test_every_preset_can_be_asked(name):
    for line in oracle.sentences(preset(name), most=2):
        assert "nan" not in line


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 5])
def test_delays_of_perceptrons_are_foretold_within_a_factor_of_two(n):
    sweep = Sweep.from_toml(
        {"model": "perceptron_exponential", "solver": "exact", "n": n, "epsilon": "log:0.01:0.5@9"}
        | {"until": 14, "record": 2, "realizations": 2000, "init_bias": 8}
    )
    for (_, frame), (_, limits) in zip(sj.run(sweep).groupby("epsilon"), oracle.foretold(sweep), strict=True):
        assert 0.5 < frame["t_grok"].mean() / limits["t_grok"] < 2


@pytest.mark.slow
def test_grokking_times_are_foretold_within_a_factor_of_two_and_no_impossible_is_false(tmp_path):
    times, never = tmp_path / "times.csv", tmp_path / "never.csv"
    main = runpy.run_path(str(Path(__file__).parent.parent / "results" / "oracle.py"))["main"]
    main(str(times), str(never), "5", "ball_times", "linear_delay", "linear_stuck", "perceptron_times")
    near, false = pd.read_csv(times), pd.read_csv(never)
    near = near[(near["prediction"] == "draw") | near["preset"].str.startswith("linear")]
    assert set(near["preset"]) == {"ball_times", "linear_delay", "perceptron_times"}
    assert near["near"].sum() >= 0.9 * near["rows"].sum()
    assert false["rows"].sum() >= 5
    assert false["generalized"].sum() == 0
