"""No reducer drops a row because of what it says: overflow is judged by its logarithm, what is left out is counted."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax.reducers import Largest, Quantiles, ends
from sweepjax.reducers.generalising_fraction import GeneralisingFraction
from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.reducers.histogram import Histogram
from sweepjax.reducers.mean import Mean, without_variance
from sweepjax.reducers.separable_fraction import chi_square
from sweepjax.store.chunkfile import arrow

TIMES = np.array([0.0, 1.0, 10.0, 100.0, 1000.0])
FALLING = np.array([0.0, -1.0, -2.0, -3.0, -4.0])  # log of a training loss, which crosses e^-2.5 at 10^1.5
LEVEL = math.exp(-2.5)


def losses(log_test, *, logarithms=True, **more) -> pds.Dataset:
    """Rows whose training loss falls by e a recorded time, and whose test loss has these logarithms [r t]."""
    log_test = np.ma.asarray(log_test, dtype=float)
    rows, hidden = len(log_test), np.ma.getmaskarray(log_test)
    curves = {"time": TIMES, "log_train_loss": FALLING, "log_test_loss": log_test.data}
    full = {name: np.broadcast_to(values, hidden.shape) for name, values in curves.items()}
    curves = {name: np.ma.MaskedArray(np.where(hidden, 0, values), mask=hidden) for name, values in full.items()}
    with np.errstate(over="ignore"):
        curves |= {f"{side}_loss": np.exp(curves[f"log_{side}_loss"]) for side in ("train", "test")}
    if not logarithms:
        curves = {name: values for name, values in curves.items() if not name.startswith("log_")}
    labels = {"model": ["logistic"] * rows, "solver": ["gradient_flow"] * rows, "seed": [0] * rows}
    columns = labels | {"realization": list(range(rows))} | more
    return pds.dataset(pa.table(columns | {name: arrow(values) for name, values in curves.items()}))


def timed(rows: pds.Dataset, **options) -> pd.Series:
    return GrokkingTime(quantity="loss", threshold=LEVEL, **options)(rows).iloc[0]


SLOW = [0.0, 5000.0, 12316.0, 9000.0, 800.0]  # beyond every number, and finite in its logarithm
FAST = [0.0, 0.0, -2.0, -3.0, -4.0]


def test_a_loss_that_overflows_has_not_crossed_and_its_row_stays():
    row = timed(losses([SLOW, SLOW, FAST]))
    assert row[["rows", "nan", "left_out", "crossed_test", "censored_test"]].tolist() == [3, 0, 0, 1, 2]
    assert math.isnan(row["t_test"])


def test_a_loss_that_comes_back_from_beyond_every_number_crosses_where_its_logarithm_does():
    row = timed(losses([[0.0, 1000.0, 900.0, -2.0, -4.0]] * 3))
    assert row["t_test"] == pytest.approx(10**2.25)


def test_an_infinite_loss_without_a_logarithm_has_not_crossed():
    row = timed(losses([SLOW, FAST, FAST], logarithms=False))
    assert row[["nan", "crossed_test", "censored_test"]].tolist() == [0, 2, 1]


@pytest.mark.parametrize("spoilt", [math.nan, math.inf])
def test_a_loss_whose_logarithm_is_no_number_is_left_out_and_counted(spoilt):
    row = timed(losses([[0.0, 0.0, spoilt, -3.0, -4.0], FAST, FAST]))
    assert row[["rows", "nan", "left_out", "crossed_test"]].tolist() == [3, 1, 1, 2]


def test_a_loss_of_zero_has_crossed_though_its_logarithm_is_infinite():
    assert timed(losses([[0.0, 0.0, -2.0, -math.inf, -math.inf]] * 3))["crossed_test"] == 3


END = np.ma.masked


def stopped_after(count: int, curve: list[float]) -> np.ma.MaskedArray:
    return np.ma.MaskedArray(curve, mask=np.arange(len(curve)) >= count)


def test_a_training_that_was_stopped_after_its_crossing_is_timed_and_not_censored():
    curves = np.ma.stack([stopped_after(4, FAST), stopped_after(5, FAST), stopped_after(5, FAST)])
    row = timed(losses(curves, stopped=[True, False, False]))
    assert row[["left_out", "crossed_test", "censored_test", "stopped_test"]].tolist() == [0, 3, 0, 0]
    assert row["t_test"] == pytest.approx(10**1.5)


def test_a_training_that_was_stopped_short_of_its_crossing_is_counted_apart_and_bounds_its_time():
    curves = np.ma.stack([stopped_after(2, FAST), stopped_after(5, FAST), stopped_after(5, SLOW)])
    rows = losses(curves, stopped=[True, False, False])
    assert timed(rows)[["crossed_test", "censored_test", "stopped_test"]].tolist() == [1, 1, 1]
    each = GrokkingTime(quantity="loss", threshold=LEVEL, each=True)(rows)
    assert each["t_test"].tolist() == pytest.approx([1.0, 10**1.5, 1000.0])
    assert each["stopped"].tolist() == [True, False, False]


def test_a_hole_in_a_record_is_no_end_and_its_row_is_left_out():
    hole = np.ma.MaskedArray(FAST, mask=[False, False, True, False, False])
    row = timed(losses(np.ma.stack([hole, np.ma.asarray(FAST), np.ma.asarray(FAST)])))
    assert row[["null", "left_out", "crossed_test"]].tolist() == [1, 1, 2]


def accuracies(counts) -> pds.Dataset:
    """Rows that reach accuracy 0.95 at the third time and are stopped after so many."""
    test, rows = np.array([0.5, 0.8, 0.96, 0.97, 0.98]), len(counts)
    hidden = np.arange(len(TIMES)) >= np.array(counts)[:, None]
    curves = {"time": TIMES, "train_accuracy": np.minimum(2 * test, 1), "test_accuracy": test}
    filled = {name: arrow(np.ma.MaskedArray(curve + 0 * hidden, mask=hidden)) for name, curve in curves.items()}
    labels = {"stopped": [count < len(TIMES) for count in counts], "realization": range(rows)}
    return pds.dataset(pa.table(labels | filled))


def test_a_training_that_was_stopped_generalises_if_it_did_where_it_was():
    row = GeneralisingFraction()(accuracies([5, 3, 2])).iloc[0]
    counts = row[["rows", "kept", "left_out", "stopped", "reached", "generalising", "memorising"]]
    assert counts.tolist() == [3, 3, 0, 2, 2, 2, 1]


def test_the_mean_of_a_curve_says_how_many_were_stopped_before():
    table = Mean(column="test_accuracy", by="")(accuracies([5, 3, 2]))
    assert table["kept"].tolist() == [3, 3, 2, 1, 1]
    assert table["stopped"].tolist() == table["left_out"].tolist() == [0, 0, 1, 2, 2]
    assert table["time"].tolist() == TIMES.tolist()


def test_the_end_of_a_curve_is_its_last_recorded_value():
    assert ends(accuracies([5, 3, 2])).to_table()["test_accuracy"].to_pylist() == [0.98, 0.96, 0.8]


def draws(values, **more) -> pds.Dataset:
    """Rows of the solver limit at one point; None is a separable draw."""
    count = len(values)
    labels = {"model": ["logistic"] * count, "solver": ["limit"] * count, "lam": [0.45] * count, "seed": [0] * count}
    rows = labels | {"realization": list(range(count)), "s_norm": pa.array(values, pa.float64())}
    return pds.dataset(pa.table(rows | more))


def mean(rows: pds.Dataset, column: str = "s_norm", **options) -> pd.Series:
    return Mean(column=column, **options)(rows).iloc[0]


def test_the_median_of_all_draws_counts_a_separable_one_as_infinite():
    row = mean(draws([1.0, 2.0, 3.0, 4.0, None, None, None]))
    assert (row["median"], row["median_all"]) == (2.5, 4.0)
    assert row[["kept", "null", "infinite", "left_out"]].tolist() == [4, 3, 3, 3]


def test_the_interval_of_the_median_of_all_draws_is_open_where_it_reaches_into_the_separable_ones():
    row = mean(draws([*range(1, 12), *([None] * 9)]))
    assert (row["median_all"], row["median_all_low"], row["median_all_high"]) == (10.5, 6.0, math.inf)


def test_the_median_of_all_draws_of_an_inverse_square_counts_them_as_zero():
    row = mean(draws([1.0, 0.5, None, None, None]), "s_norm_inverse_square")
    assert row["median_all"] == 0.0


def test_a_column_that_nothing_is_said_of_has_a_median_of_all_draws_where_none_lacks_it():
    rows = draws([1.0] * 3, residual=pa.array([1.0, 2.0, None]), iterations=pa.array([3, 4, 5]))
    assert mean(rows, "iterations")["median_all"] == 4.0
    assert math.isnan(mean(rows, "residual")["median_all"])


def test_a_nan_is_left_out_of_both_medians_and_counted():
    row = mean(draws([1.0, math.nan, 3.0, 5.0, None]))
    assert row[["kept", "nan", "null", "left_out"]].tolist() == [3, 1, 1, 2]
    assert (row["median"], row["median_all"]) == (3.0, 4.0)


@pytest.mark.parametrize("power", [1.5, 2.0, 4.0])
def test_the_exponent_of_a_tail_is_found_within_three_standard_errors(power):
    values = np.random.default_rng(5).pareto(power, 20_000) + 1
    tail, tail_se = Largest.of(values).tail
    assert abs(tail - power) < 3 * tail_se


def test_the_largest_of_two_parts_are_those_of_the_whole():
    values = np.random.default_rng(6).standard_normal(1000)
    added = Largest.of(values[:300]) + Largest.of(values[300:])
    assert added.tail == Largest.of(values).tail


def test_few_values_have_no_tail_and_infinite_ones_the_heaviest():
    assert math.isnan(Largest.of(np.arange(99.0)).tail[0])
    assert Largest.of(np.append(np.arange(200.0), math.inf)).tail[0] == 0


def test_a_mean_without_a_variance_is_said_to_have_none():
    heavy, light = np.random.default_rng(7).pareto(2.0, 1000) + 1, np.random.default_rng(7).standard_normal(1000)
    table = Mean(column="s_norm")(draws(heavy.tolist()))
    assert without_variance(table).all()
    assert table.attrs["note"].startswith("s_norm: the tail falls off too slowly for a variance in 1 of 1 lines")
    assert Mean(column="s_norm")(draws(light.tolist())).attrs == {}
    assert Mean(column="s_norm_inverse_square")(draws(heavy.tolist())).attrs == {}


def test_where_more_than_a_per_cent_of_the_draws_are_infinite_the_others_have_no_variance():
    assert without_variance(Mean(column="s_norm")(draws([1.0, 2.0] * 30 + [None]))).all()
    assert not without_variance(Mean(column="s_norm")(draws([1.0, 2.0] * 60 + [None]))).any()


def test_a_histogram_counts_what_it_leaves_out():
    bins = Histogram(bins=2)(draws([1.0, 2.0, math.nan, None, math.inf]))
    assert bins[["left_out", "null", "nan", "overflow"]].iloc[0].tolist() == [2, 1, 1, 1]


def test_a_test_that_pools_too_few_draws_says_how_many_it_leaves_out():
    result = chi_square(np.array([50.0, 1.0]), np.array([50.0, 1.0]), np.array([50.0, 39.0]))
    assert (result["chi_square_dof"], result["chi_square_left_out"]) == (1, 40)


def test_an_infinite_value_is_a_value_to_a_sketch_and_nan_is_none():
    order = Quantiles.of(np.array([1.0, math.nan, math.inf, math.inf]), 64)
    assert order.quantile(0.5) == math.inf
    assert order.sketch.n == 3
