"""Four times of a training, first and sustained, censored where they never come."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax.columns import CLOCK, CURVE, FACT, LABEL, describing
from sweepjax.reducers.phases import Phases

STEPS = np.array([0, 1, 2, 5, 10, 100, 1000])


def rows(train, test, **facts):
    """Rows with these accuracies at STEPS, the same for every row or one list a row."""
    train, test = (np.atleast_2d(np.asarray(each, dtype=float)) for each in (train, test))
    count = max(len(train), len(test))
    columns = {"seed": (LABEL, pa.array([0] * count)), "realization": (LABEL, pa.array(range(count)))}
    columns |= {name: (LABEL if name == "p" else FACT, pa.array(values)) for name, values in facts.items()}
    for name, values in (("step", np.tile(STEPS, (count, 1))), ("train_accuracy", train), ("test_accuracy", test)):
        array = pa.FixedSizeListArray.from_arrays(pa.array(np.broadcast_to(values, (count, 7)).ravel()), 7)
        columns[name] = (CLOCK if name == "step" else CURVE, array)
    fields = [describing(pa.field(name, array.type), kind) for name, (kind, array) in columns.items()]
    return pds.dataset(pa.table([array for _, array in columns.values()], schema=pa.schema(fields)))


TRAIN = [0, 0.2, 0.5, 1, 0.98, 1, 1]
TEST = [0, 0, 0.1, 0.1, 0.2, 0.5, 1]


def test_four_times_are_first_and_sustained():
    line = Phases(low=0.15)(rows(TRAIN, TEST)).iloc[0]
    assert [line[name] for name in ("t1", "t2", "t3", "t4")] == [1, 5, 10, 1000]
    assert [line[f"sustained_{name}"] for name in ("t1", "t2", "t3", "t4")] == [1, 100, 10, 1000]
    assert (line["rows"], line["left_out"], line["memorised"], line["grokked"]) == (1, 0, 0, 1)


def test_the_lower_threshold_is_three_guesses():
    line = Phases()(rows(TRAIN, TEST, p=[6])).iloc[0]
    assert (line["t1"], line["t3"]) == (2, 100)  # at 3/6


def test_first_crossings_between_the_recorded_times_are_taken_where_there_are_any():
    found = Phases(low=0.15)(rows(TRAIN, TEST, t_train_99=[3], t_test_99=[640])).iloc[0]
    assert (found["t2"], found["t4"], found["sustained_t4"]) == (3, 640, 1000)


def test_a_training_begins_to_be_right_before_it_is_right_however_coarse_the_record():
    found = Phases(low=0.15)(rows([0, 0, 0, 0, 0, 1, 1], TEST, t_train_99=[17], t_test_99=[640])).iloc[0]
    assert (found["t1"], found["t2"]) == (17, 17)


def test_a_recorded_time_before_the_first_look_is_the_first():
    found = Phases(low=0.15)(rows(TRAIN, TEST, t_train_99=[7], t_test_99=[1010])).iloc[0]
    assert (found["t2"], found["t4"], found["sustained_t4"]) == (5, 1000, 1000)


def test_what_never_comes_is_censored_and_not_left_out():
    line = Phases(low=0.15)(rows(TRAIN, [TEST, [0] * 7, [0] * 7])).iloc[0]
    assert (line["t4_censored"], line["t3_censored"], line["left_out"], line["memorised"]) == (2, 2, 0, 2)
    assert np.isnan(line["t4"])


def test_a_column_of_crossings_that_is_null_is_censored():
    line = Phases(low=0.15)(rows(TRAIN, [0] * 7, t_train_99=[3], t_test_99=pa.array([None], pa.int64()))).iloc[0]
    assert (line["t4_censored"], line["t4_high"]) == (1, np.inf)


def test_a_row_that_is_no_number_is_left_out_and_counted():
    line = Phases(low=0.15)(rows([TRAIN, [np.nan] * 7], TEST)).iloc[0]
    assert (line["rows"], line["kept"], line["left_out"], line["t2"]) == (2, 1, 1, 5)


def test_a_threshold_that_no_accuracy_crosses_is_refused():
    with pytest.raises(ValueError, match="high = 1 is not allowed"):
        Phases(high=1.0)(rows(TRAIN, TEST))
    with pytest.raises(ValueError, match="clock = 'foo' is not allowed; choose one of: time, step"):
        Phases(clock="foo")(rows(TRAIN, TEST))
    assert isinstance(Phases(low=0.15)(rows(TRAIN, TEST)), pd.DataFrame)


def test_a_row_that_was_stopped_is_censored_where_it_was():
    table = rows(TRAIN, [[0, 0, 0, 0, 0, 1, 1], TEST, *[[0] * 7] * 3]).to_table()
    for name in ("step", "train_accuracy", "test_accuracy"):
        whole = np.array(table[name].to_pylist(), dtype=object)
        whole[2:, 2:] = None
        array = pa.FixedSizeListArray.from_arrays(pa.array(whole.ravel(), pa.float64()), 7)
        place = table.schema.get_field_index(name)
        table = table.set_column(
            place, describing(pa.field(name, array.type), CLOCK if name == "step" else CURVE), array
        )
    line = Phases(low=0.15)(pds.dataset(table)).iloc[0]
    assert (line["t4"], line["t4_censored"]) == (100, 3)


def test_a_row_that_is_right_from_the_start_does_not_grok():
    line = Phases(low=0.15)(rows([1] * 7, [1] * 7)).iloc[0]
    assert (line["t2"], line["t4"], line["grokked"]) == (0, 0, 0)
