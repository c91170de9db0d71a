"""Whole rounds of realizations, until a standard error is reached."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from sweepjax_cli import app

import sweepjax as sj
from sweepjax.sweep.sweep import Sweep
from sweepjax.target import Target

SWEEP = Sweep().replaced(n=8, d="3,5", realizations=10)
RUN = ["run", "--n", "8", "--d", "3,5", "--realizations", "16", "--solver", "poison:Poison", "-o", "a"]


def store(**columns):
    """Rows of the points d = 3 and 5, realization after realization."""
    count = len(next(iter(columns.values()))) // 2
    point = {"model": "logistic", "solver": "limit", "d": np.tile([3, 5], count), "seed": 0}
    frame = pd.DataFrame(point | {"realization": np.repeat(np.arange(count), 2)})
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values) if not isinstance(values, pa.Array) else values)
    return SimpleNamespace(dataset=lambda: pds.dataset(table))


def reached(column, realizations, **columns):
    return Target(column, 1.0, 1000).reached(store(**columns), SWEEP.replaced(realizations=realizations))


@pytest.mark.parametrize(("most", "rounds"), [(10, [10]), (70, [10, 20, 40, 70]), (80, [10, 20, 40, 80])])
def test_rounds_double_and_end_at_the_most(most, rounds):
    assert [sweep.realizations for sweep in Target("margin", 1.0, most).rounds(SWEEP)] == rounds


def test_no_round_ends_within_a_chunk_unless_the_files_would_be_too_many():
    assert Target("margin", 1.0, 1000).chunk_rows(SWEEP) == 10
    assert Target("margin", 1.0, 1000).chunk_rows(SWEEP.replaced(sigma="1,2")) == 20
    assert Target("margin", 1.0, 10**6).chunk_rows(SWEEP) == 4096


def test_the_standard_error_is_that_of_the_worst_point():
    values = np.random.default_rng(0).normal(size=(50, 2)) * [1, 3]
    se, point, _ = reached("margin", 50, margin=values.ravel())
    assert se == pytest.approx(np.std(values[:, 1], ddof=1) / np.sqrt(50), rel=1e-12)
    assert point == {"d": 5}


def test_rows_beyond_the_round_do_not_count():
    values = np.random.default_rng(0).normal(size=100)
    assert reached("margin", 20, margin=values) == reached("margin", 20, margin=values[:40])


def test_draws_that_are_all_the_same_prove_no_more_than_their_number():
    assert reached("separable", 20, separable=40 * [False]).se == 1 / 20
    assert reached("margin", 20, margin=40 * [2.0]).se == 0


def test_a_law_without_a_variance_has_no_standard_error_to_reach():
    heavy = np.random.default_rng(0).pareto(2.0, size=400) + 1
    assert reached("s_norm", 200, s_norm=heavy).exists is False
    assert reached("s_norm", 200, s_norm=heavy).se == np.inf
    assert reached("s_norm_inverse_square", 200, s_norm=heavy).exists


def test_where_some_draws_are_infinite_the_others_have_no_variance_however_few_there_are():
    values = [1.0, None, 1.1, 0.9, 1.2, 1.0, 1.1, 0.9]
    assert reached("s_norm", 4, s_norm=pa.array(values)) == (np.inf, {"d": 5}, False)


def test_a_point_without_values_has_no_standard_error():
    values = [1.0, None, 2.0, None, 3.0, None]
    assert reached("margin", 3, margin=pa.array(values, pa.float64())) == (np.inf, {"d": 5}, True)


def test_a_curve_counts_at_its_worst_time():
    time, loss = pa.array(4 * [0.0, 9.0]), pa.array([1.0, 1.0, 1.0, 2.0, 1.0, 3.0, 1.0, 9.0])
    lists = {
        name: pa.FixedSizeListArray.from_arrays(values, 2) for name, values in (("time", time), ("test_loss", loss))
    }
    se, point, _ = reached("test_loss", 2, **lists)
    assert se == pytest.approx(3.5)
    assert point == {"d": 5, "time": 9.0}


def test_a_time_to_which_no_training_came_asks_for_nothing():
    values = pa.array([1.0, None, 1.0, None, 3.0, None, 3.0, None])
    lists = {"time": pa.array(4 * [0.0, 9.0]), "test_loss": values}
    lists = {name: pa.FixedSizeListArray.from_arrays(each, 2) for name, each in lists.items()}
    se, point, _ = reached("test_loss", 2, stopped=4 * [True], **lists)
    assert se == pytest.approx(1.0)
    assert point["time"] == 0.0
    assert reached("test_loss", 2, stopped=[True, True, True, False], **lists).se == np.inf


REFUSED = [
    (Target("margins", 0.1, 100), "did you mean 'margin'"),
    (Target("n", 0.1, 100), "unknown column 'n'"),
    (Target("margin", 0.0, 100), "above 0"),
    (Target("margin", float("nan"), 100), "above 0"),
    (Target("margin", 0.1, 9), "10 realizations already"),
]


@pytest.mark.parametrize(("target", "words"), REFUSED)
def test_what_cannot_be_reached_is_refused(target, words):
    with pytest.raises(ValueError, match=words):
        target.check(SWEEP)


def test_the_inverse_square_of_a_column_can_be_a_target():
    Target("s_norm_inverse_square", 0.1, 100).check(SWEEP)


OPTIONS = [
    ("--target-se total=1", "need each other"),
    ("--max-realizations 100", "need each other"),
    ("--target-se total --max-realizations 100", "COLUMN=SE"),
    ("--target-se total=x --max-realizations 100", "'x'"),
    ("--target-se total=0 --max-realizations 100", "above 0"),
    ("--target-se totals=1 --max-realizations 100", "did you mean 'total'"),
    ("--target-se total=1 --max-realizations 8", "16 realizations already"),
    ("--target-se total=1 --max-realizations 100 --part 1/2", "leave --part out"),
]


@pytest.mark.parametrize(("options", "words"), OPTIONS)
def test_options_that_make_no_target_are_refused(options, words, here, capsys):
    assert app([*RUN, "--set", "bad=0", *options.split()]) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not list(here.iterdir())


@pytest.mark.slow
def test_a_run_stops_at_the_first_round_that_reaches_its_target(here, capsys):
    # The sum of n x d standard normals has variance nd: 40 / R = 0.45^2 at R = 198, and the rounds are 16, 32, ...
    command = [*RUN, "--set", "bad=0", "--target-se", "total=0.45", "--max-realizations", "1000"]
    assert app(command) == 0
    err = capsys.readouterr().err
    assert "not yet 0.45 after 128 realizations: at its worst, lam 0.625, n 8, d 5, it is 0." in err
    assert "at most 0.45 after 256 realizations: at its worst, lam 0.625, n 8, d 5, it is 0." in err
    assert sj.read("a").groupby("d").size().to_dict() == {3: 256, 5: 256}
    before = {file: file.stat().st_mtime_ns for file in here.glob("a/*.parquet")}
    assert app(command) == 0
    assert capsys.readouterr().err.count("realizations: at its worst") == 5
    assert {file: file.stat().st_mtime_ns for file in here.glob("a/*.parquet")} == before


def test_a_target_that_is_not_reached_makes_the_exit_code_3(here, capsys):
    assert app([*RUN, "--set", "bad=0", "--target-se", "total=0.01", "--max-realizations", "40"]) == 3
    assert "is not 0.01 after 40 realizations" in capsys.readouterr().err
    assert sj.read("a").groupby("d").size().to_dict() == {3: 40, 5: 40}


def test_a_round_in_which_a_chunk_fails_is_the_last(here, capsys):
    assert app([*RUN, "--set", "bad=5", "--target-se", "total=0.01", "--max-realizations", "40"]) == 3
    assert sj.read("a").groupby("d").size().to_dict() == {3: 16}
