import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq
import pytest
from scipy.special import ndtri

from sweepjax import plugins
from sweepjax.reducers import _stream
from sweepjax.reducers._crossings import crossings
from sweepjax.reducers._intervals import kaplan_meier_median
from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.store.chunkfile import arrow

TIMES = np.concatenate([[0.0], np.logspace(0, 6, 13)])
NEVER = math.inf


def accuracy(crossing) -> np.ndarray:
    """Curves [r t] that are linear in log t and reach 0.95 at the given times; below it at t = 0."""
    with np.errstate(divide="ignore"):
        decades = np.log10(TIMES) - np.log10(np.atleast_1d(np.asarray(crossing, dtype=float)))[:, None]
    return np.where(TIMES > 0, 0.95 + 0.01 * np.maximum(decades, -40), 0.5)


def trajectories(train, test, *, lam=0.4, start=0, **columns) -> pa.Table:
    """Rows shaped like those of a training whose accuracies cross 0.95 at the given times."""
    count = len(train)
    n, d = 1000, round(1000 * lam)
    fields = {"model": "logistic", "solver": "gradient_flow", "lam": lam, "n": n, "d": d, "sigma": 1.0, "seed": 0}
    scalars = {name: np.full(count, value) for name, value in fields.items()}
    curves = {"time": np.tile(TIMES, (count, 1))}
    curves |= {"train_accuracy": accuracy(train), "test_accuracy": accuracy(test)} | columns
    index = {"realization": np.arange(start, start + count)}
    return pa.table({name: arrow(values) for name, values in (scalars | index | curves).items()})


def reduced(table: pa.Table, **options) -> pd.Series:
    return GrokkingTime(**options)(pds.dataset(table)).iloc[0]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    generator = np.random.default_rng(3)
    parts = []
    for lam in (0.3, 0.4, 0.45):
        train, delay = 10 ** generator.uniform(0.5, 3, 40), 10 ** generator.uniform(0, 4, 40)
        parts.append(trajectories(train, train * delay, lam=lam))
    return pa.concat_tables(parts)


def test_the_reducer_is_found_by_the_name_of_its_file():
    assert plugins.find("reducers", "grokking_time") is GrokkingTime


def test_curves_that_are_linear_in_log_t_cross_exactly():
    row = reduced(trajectories([3.7, 3.7, 3.7], [2000.0, 2000.0, 2000.0]))
    assert row["t_train"] == pytest.approx(3.7, rel=1e-12)
    assert row["t_test"] == pytest.approx(2000.0, rel=1e-12)
    assert row["delay"] == pytest.approx(1996.3, rel=1e-12)
    assert row["ratio"] == pytest.approx(2000 / 3.7, rel=1e-12)
    assert row["sqrt_log_ratio"] == pytest.approx(math.sqrt(math.log(2000 / 3.7)), rel=1e-12)


def test_each_row_is_told_with_its_seed_and_realization():
    frame = GrokkingTime(each=True, by="lam")(pds.dataset(trajectories([3.0, NEVER, 5.0], [30.0, 70.0, NEVER])))
    assert frame.columns[:6].tolist() == ["lam", "n", "d", "seed", "realization", "t_train"]
    assert frame["realization"].tolist() == [0, 1, 2]
    np.testing.assert_allclose(frame["t_train"], [3.0, TIMES[-1], 5.0])
    np.testing.assert_allclose(frame["t_test"], [30.0, 70.0, TIMES[-1]])
    assert frame["censored_train"].tolist() == [False, True, False]
    assert frame["censored_test"].tolist() == [False, False, True]
    np.testing.assert_allclose(frame["delay"], [27.0, math.nan, TIMES[-1] - 5])
    np.testing.assert_allclose(frame["ratio"], [10.0, math.nan, TIMES[-1] / 5])


def test_before_the_first_positive_time_a_crossing_is_linear_in_t():
    found = crossings(np.array([[0.0, 2.0, 4.0]]), [np.array([[-1.0, 3.0, 5.0]])], last=True)
    assert found.time.tolist() == [0.5]
    assert found.half_width.tolist() == [math.inf]


@pytest.mark.parametrize("last", [True, False])
def test_a_curve_that_starts_beyond_the_threshold_and_stays_crosses_at_zero(last):
    found = crossings(np.array([[0.0, 1.0, 2.0]]), [np.array([[0.0, 0.0, 1.0]])], last=last)
    assert (found.time.tolist(), found.censored.tolist(), found.half_width.tolist()) == ([0.0], [False], [0.0])


@pytest.mark.parametrize(("last", "time"), [(True, 10**2.5), (False, 10**0.5)])
def test_a_curve_that_falls_back_crosses_first_early_and_last_late(last, time):
    times, height = np.array([[0.0, 1.0, 10.0, 100.0, 1000.0]]), np.array([[-1.0, -1.0, 1.0, -1.0, 1.0]])
    found = crossings(times, [height], last=last)
    assert found.time[0] == pytest.approx(time, rel=1e-12)
    assert not found.censored[0]


def test_a_curve_that_falls_back_for_good_is_censored_for_the_last_crossing_only():
    times, height = np.array([[0.0, 1.0, 10.0, 100.0]]), np.array([[-1.0, -1.0, 1.0, -1.0]])
    last, first = (crossings(times, [height], last=choice) for choice in (True, False))
    assert (last.time[0], last.censored[0]) == (100.0, True)
    assert first.time[0] == pytest.approx(10**0.5)
    assert not first.censored[0]


def test_first_and_last_crossings_are_options_of_the_reducer():
    test = accuracy([30.0])
    test[0, 5:8] = 0.5
    table = trajectories([3.0], [30.0], test_accuracy=test)
    assert reduced(table, crossing="first")["t_test"] == pytest.approx(30.0)
    assert TIMES[7] < reduced(table)["t_test"] < TIMES[8]


def test_a_loss_crosses_downwards_at_a_tenth_and_its_logarithm_is_interpolated_where_it_is_a_column():
    with np.errstate(divide="ignore"):
        train, test = (np.where(TIMES > 0, 0.1 * crossing / TIMES, 1e9) for crossing in (3.7, 2000.0))
    losses = {"train_loss": train[None], "test_loss": test[None]}
    logarithms = {"log_train_loss": np.log(train)[None], "log_test_loss": np.log(test)[None]}
    exact = reduced(trajectories([1.0], [1.0], **losses, **logarithms), quantity="loss")
    rough = reduced(trajectories([1.0], [1.0], **losses), quantity="loss")
    assert exact[["t_train", "t_test"]].tolist() == pytest.approx([3.7, 2000.0], rel=1e-12)
    assert rough["t_test"] == pytest.approx(2000.0, rel=0.2)
    assert rough["t_test"] != pytest.approx(2000.0, rel=1e-3)


def test_the_logarithm_of_the_error_is_interpolated_where_it_is_a_column():
    error = np.where(TIMES > 0, 0.05 * 2000 / np.maximum(TIMES, 1), 0.5)[None]
    curves = {"test_accuracy": 1 - error, "log_test_error": np.log(error)}
    assert reduced(trajectories([3.0], [1.0], **curves))["t_test"] == pytest.approx(2000.0, rel=1e-12)


def test_an_error_of_zero_has_no_logarithm_and_the_accuracy_is_interpolated():
    accuracy = np.where(TIMES < 100, 0.9, 1.0)[None]
    with np.errstate(divide="ignore"):
        curves = {"test_accuracy": accuracy, "log_test_error": np.log(1 - accuracy)}
    row = reduced(trajectories([3.0], [1.0], **curves))
    assert row["t_test"] == pytest.approx(math.sqrt(TIMES[4] * TIMES[5]), rel=1e-12)


def test_the_clock_may_be_the_step():
    table = trajectories([3.0], [30.0], step=np.tile(100 * TIMES, (1, 1)))
    assert reduced(table, clock="step")["t_test"] == pytest.approx(3000.0)


def test_half_the_recorded_interval_is_told_in_decades():
    row = reduced(trajectories([0.5, 3.0, 3.0], [30.0, 30.0, NEVER]))
    assert row["half_width_train"] == pytest.approx(0.25)
    assert row["half_width_train_max"] == math.inf
    assert row["half_width_test_max"] == pytest.approx(0.25)


def test_the_median_of_five_rows_two_of_them_censored_is_that_worked_out_by_hand():
    # Survival 4/5 after 1, 3/5 after 2; 3 is censored, so that 4 halves the two that are left: 3/10.
    values, censored = np.array([4.0, 1.0, 5.0, 2.0, 3.0]), np.array([False, False, True, False, True])
    median, low, high = kaplan_meier_median(values, censored)
    spread = ndtri(0.975) * math.sqrt(1 / 20) / abs(math.log(0.8))
    assert 0.8 ** math.exp(spread) < 0.5 < 0.8 ** math.exp(-spread)
    assert (median, low, high) == (4.0, 1.0, math.inf)


def test_without_censoring_the_interval_is_that_of_a_binomial_survival():
    values = np.arange(1.0, 101.0)
    survival = 1 - values[:-1] / 100
    spread = ndtri(0.975) * np.sqrt((1 - survival) / (100 * survival)) / -np.log(survival)
    low, high = (values[:-1][survival ** np.exp(sign * spread) <= 0.5][0] for sign in (1, -1))
    assert kaplan_meier_median(values, values < 0) == (50.0, low, high)


def test_a_median_that_is_not_reached_is_nan_and_its_interval_open():
    values = np.array([1.0, 9.0, 9.0, 9.0])
    median, _, high = kaplan_meier_median(values, values == 9)
    assert math.isnan(median)
    assert high == math.inf
    assert math.isnan(kaplan_meier_median(values, values > 0)[0])
    assert math.isnan(kaplan_meier_median(values[:0], values[:0] > 0)[0])


def test_an_infinite_value_counts_as_one_never_reached():
    values = np.array([1.0, 2.0, 3.0, math.inf, math.inf, math.inf])
    censored = np.array([False, False, True, False, True, False])
    infinite = np.isinf(values)
    expected = kaplan_meier_median(np.where(infinite, 10.0, values), censored | infinite)
    np.testing.assert_array_equal(kaplan_meier_median(values, censored), expected)


def test_censored_rows_push_the_median_up_and_are_counted():
    row = reduced(trajectories([1.5, 2.0, 2.5, 3.0, NEVER], [10.0, 20.0, 50.0, NEVER, NEVER]))
    counts = row[["rows", "crossed_train", "censored_train", "crossed_test", "censored_test", "null", "nan"]]
    assert counts.tolist() == [5, 4, 1, 3, 2, 0, 0]
    assert row["t_train"] == pytest.approx(2.5)
    assert row["t_test"] == pytest.approx(50.0)
    assert row["delay"] == pytest.approx(18.0)  # of the four rows that crossed in training
    assert row["ratio"] == pytest.approx(10.0)
    assert row["ratio_high"] == math.inf == row["sqrt_log_ratio_high"]


def test_a_group_in_which_no_test_crosses_has_no_median():
    row = reduced(trajectories([2.0, 3.0], [NEVER, NEVER]))
    assert row[["t_test", "delay", "ratio", "sqrt_log_ratio", "half_width_test"]].isna().all()


def test_a_training_that_starts_beyond_the_threshold_has_an_unbounded_ratio():
    table = trajectories([3.0, 3.0, 3.0], [30.0, 60.0, 90.0], train_accuracy=np.full((3, len(TIMES)), 1.0))
    row = reduced(table)
    assert row["t_train"] == 0
    assert row["delay"] == pytest.approx(60.0)
    assert math.isnan(row["ratio"])
    assert GrokkingTime(each=True)(pds.dataset(table))["ratio"].tolist() == [math.inf] * 3


def test_rows_that_diverged_or_are_null_are_counted_and_left_out():
    test = np.ma.MaskedArray(accuracy([30.0] * 5), mask=False)
    test[1, 8:], test[2, 3], test[3] = math.nan, math.inf, np.ma.masked
    table = trajectories([3.0] * 5, [30.0] * 5, test_accuracy=test)
    row = reduced(table)
    assert row[["rows", "nan", "null", "crossed_train", "crossed_test"]].tolist() == [5, 2, 1, 2, 2]
    assert row["t_test"] == pytest.approx(30.0)
    frame = GrokkingTime(each=True)(pds.dataset(table))
    assert frame["t_test"].isna().tolist() == frame["t_train"].isna().tolist() == [False, True, True, True, False]
    assert not frame["censored_test"].any()


def test_a_group_that_diverged_throughout_has_counts_and_no_medians():
    row = reduced(trajectories([3.0], [30.0], train_accuracy=np.full((1, len(TIMES)), math.nan)))
    assert (row["nan"], row["crossed_test"], row["censored_test"]) == (1, 0, 0)
    assert row[["t_train", "t_test", "delay", "ratio"]].isna().all()


def test_the_slope_of_an_exact_law_is_recovered():
    lams = np.array([0.3, 0.4, 0.45, 0.48, 0.6])
    heights = -np.log(np.abs(1 - 2 * lams)) / math.sqrt(2)
    parts = [
        trajectories([3.0] * 3, [3.0 * math.exp(height**2)] * 3, lam=lam)
        for lam, height in zip(lams, heights, strict=True)
    ]
    attrs = GrokkingTime()(pds.dataset(pa.concat_tables(parts))).attrs
    assert attrs["slope"] == pytest.approx(-1 / math.sqrt(2), rel=1e-9)
    assert attrs["slope_se"] == pytest.approx(0.0, abs=1e-6)
    assert attrs["slope_points"] == 4


def test_the_slope_and_its_error_are_those_of_least_squares(table):
    frame = GrokkingTime()(pds.dataset(table))
    x, y = np.log(1 - 2 * frame["lam"].to_numpy()), frame["sqrt_log_ratio"].to_numpy()
    (slope, _), covariance = np.polyfit(x, y, 1, cov=True)
    assert frame.attrs["slope"] == pytest.approx(slope, rel=1e-9)
    assert frame.attrs["slope_se"] == pytest.approx(math.sqrt(covariance[0, 0]), rel=1e-9)


def test_two_points_have_no_slope(table):
    assert GrokkingTime()(pds.dataset(table.slice(0, 80))).attrs == {}


@pytest.mark.parametrize("options", [{}, {"each": True}, {"crossing": "first", "threshold": 0.96}])
def test_neither_the_order_of_the_rows_nor_the_size_of_the_batches_matters(table, options, monkeypatch):
    whole = GrokkingTime(**options)(pds.dataset(table))
    monkeypatch.setattr(_stream, "BATCH", 5)
    order = np.random.default_rng(0).permutation(table.num_rows)
    pd.testing.assert_frame_equal(GrokkingTime(**options)(pds.dataset(table.take(order))), whole)


@pytest.mark.parametrize("each", [True, False])
def test_several_files_reduced_together_equal_the_whole(table, each, tmp_path):
    for start in range(0, table.num_rows, 50):
        pq.write_table(table.slice(start, 50), tmp_path / f"{start:03d}.parquet")
    pd.testing.assert_frame_equal(
        GrokkingTime(each=each)(pds.dataset(tmp_path)), GrokkingTime(each=each)(pds.dataset(table))
    )


@pytest.mark.parametrize("quantity", ["accuracy", "loss"])
@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1, 1.5, math.inf])
def test_a_threshold_outside_zero_and_one_is_refused(table, quantity, threshold):
    with pytest.raises(ValueError, match=r"threshold = \S+ is not allowed; give a number above 0 and below 1"):
        GrokkingTime(quantity=quantity, threshold=threshold)(pds.dataset(table))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"quantity": "los"}, "unknown quantity 'los'; did you mean 'loss'"),
        ({"crossing": "middle"}, "unknown crossing 'middle'; choose one of: last, first"),
        ({"clock": "wall"}, "unknown clock 'wall'; choose one of: time, step"),
        ({"clock": "step"}, "unknown column 'step'"),
        ({"quantity": "loss"}, "unknown column 'train_loss'"),
        ({"by": "time"}, "'time' holds a list"),
    ],
)
def test_a_wrong_option_is_answered_by_what_exists(table, options, words):
    with pytest.raises(ValueError, match=words):
        GrokkingTime(**options)(pds.dataset(table))


def test_a_single_number_a_row_is_no_curve(table):
    single = table.drop_columns("test_accuracy").append_column("test_accuracy", pa.array([0.9] * table.num_rows))
    with pytest.raises(ValueError, match=r"'test_accuracy' holds no number at every .*: time, train_accuracy"):
        GrokkingTime()(pds.dataset(single))


def test_no_rows_are_said_to_be_no_rows(table):
    with pytest.raises(ValueError, match="no rows"):
        GrokkingTime()(pds.dataset(table.slice(0, 0)))
