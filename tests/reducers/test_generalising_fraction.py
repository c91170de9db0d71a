import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax import plugins
from sweepjax.reducers import _stream
from sweepjax.reducers.generalising_fraction import GeneralisingFraction
from sweepjax.reducers.separable_fraction import wilson
from sweepjax.store.chunkfile import arrow

STAYS, FALLS_BACK, NEVER = [0.5, 0.9, 0.96], [0.5, 0.97, 0.6], [0.5, 0.7, 0.94]
DIVERGES, MISSING = [0.5, 0.99, math.nan], [np.ma.masked] * 3


def trajectories(test, train=None, *, lam=0.4) -> pa.Table:
    """Rows with the given curves of test accuracy; train accuracy ends at 1 unless given."""
    count = len(test)
    values = np.ma.MaskedArray(np.zeros((count, 3)), mask=False)
    for row, curve in enumerate(test):
        values[row] = np.ma.masked if curve is MISSING else curve
    scalars = {"lam": np.full(count, lam), "seed": np.zeros(count, int), "realization": np.arange(count)}
    train = np.tile([0.5, 0.8, 1.0], (count, 1)) if train is None else np.array(train)
    curves = {"time": np.tile([0.0, 1.0, 2.0], (count, 1)), "train_accuracy": train, "test_accuracy": values}
    return pa.table({name: arrow(column) for name, column in (scalars | curves).items()})


def reduced(table: pa.Table, **options) -> pd.Series:
    return GeneralisingFraction(**options)(pds.dataset(table)).iloc[0]


def test_the_reducer_is_found_by_the_name_of_its_file():
    assert plugins.find("reducers", "generalising_fraction") is GeneralisingFraction


def test_rows_that_reach_the_threshold_that_end_beyond_it_and_that_only_memorise_are_counted():
    row = reduced(trajectories([STAYS, FALLS_BACK, NEVER, NEVER]))
    assert row[["rows", "kept", "reached", "generalising", "memorising"]].tolist() == [4, 4, 2, 1, 3]
    assert row[["reached_fraction", "generalising_fraction", "memorising_fraction"]].tolist() == [0.5, 0.25, 0.75]


def test_a_row_that_has_not_learnt_its_training_set_does_not_memorise():
    row = reduced(trajectories([NEVER, NEVER], [[0.5, 1.0, 0.99], [0.5, 0.8, 1 - 1e-16]]))
    assert row["memorising"] == 1


def test_the_intervals_are_those_of_wilson():
    row = reduced(trajectories([STAYS] * 3 + [NEVER] * 7))
    low, high = wilson(np.array([3.0]), np.array([10.0]))
    assert (row["generalising_low"], row["generalising_high"]) == (low[0], high[0])


def test_rows_that_diverged_or_are_null_are_counted_and_left_out():
    row = reduced(trajectories([STAYS, DIVERGES, MISSING, NEVER]))
    assert row[["rows", "kept", "nan", "null", "reached"]].tolist() == [4, 2, 1, 1, 1]
    assert row["generalising_fraction"] == 0.5


def test_a_group_that_diverged_throughout_has_no_fraction():
    row = reduced(trajectories([DIVERGES]))
    assert row["nan"] == row["rows"]
    assert math.isnan(row["generalising_fraction"])


def test_the_threshold_is_an_option():
    assert reduced(trajectories([STAYS, NEVER]), threshold=0.94)["generalising"] == 2


@pytest.mark.parametrize("threshold", [0.0, 1.0, -1.0, 2.0, math.nan])
def test_a_threshold_outside_zero_and_one_is_refused(threshold):
    with pytest.raises(ValueError, match=r"threshold = \S+ is not allowed; give a number above 0 and below 1"):
        GeneralisingFraction(threshold=threshold)(pds.dataset(trajectories([STAYS])))


def test_a_run_without_accuracies_is_answered_by_what_exists():
    with pytest.raises(ValueError, match="unknown column 'test_accuracy'"):
        GeneralisingFraction()(pds.dataset(trajectories([STAYS]).drop_columns("test_accuracy")))


def test_the_groups_and_the_sum_do_not_depend_on_order_or_batches(monkeypatch):
    parts = [trajectories([STAYS, FALLS_BACK, NEVER, DIVERGES], lam=lam) for lam in (0.3, 0.4)]
    whole = GeneralisingFraction()(pds.dataset(pa.concat_tables(parts)))
    assert whole["lam"].tolist() == [0.3, 0.4]
    monkeypatch.setattr(_stream, "BATCH", 1)
    again = GeneralisingFraction()(pds.dataset(pa.concat_tables(parts).take([5, 0, 3, 7, 1, 2, 6, 4])))
    pd.testing.assert_frame_equal(again, whole)
