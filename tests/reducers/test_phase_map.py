"""Phases of trainings over the fields of a sweep, and their picture."""

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax.columns import CLOCK, CURVE, FACT, LABEL, describing
from sweepjax.figures.phase_map import phase_map
from sweepjax.reducers.phase_map import PhaseMap
from sweepjax.reducers.phases import Phases

TIMES = {"confusion": (None, None), "memorisation": (10, None), "grokking": (10, 100), "comprehension": (10, 99)}


def rows(phases, **fields):
    """A row of each of these phases, recorded at the start and at step 1000."""
    count = len(phases)
    columns = {name: (LABEL, pa.array(values)) for name, values in fields.items()}
    columns |= {"seed": (LABEL, pa.array([0] * count)), "realization": (LABEL, pa.array(range(count)))}
    for side, name in enumerate(("t_train_99", "t_test_99")):
        columns[name] = (FACT, pa.array([TIMES[phase][side] for phase in phases], pa.int64()))
    curves = {"step": np.tile([0, 1000], (count, 1))}
    for side, name in enumerate(("train_accuracy", "test_accuracy")):
        ends = [float(TIMES[phase][side] is not None) for phase in phases]
        curves[name] = np.stack([np.zeros(count), ends], axis=1)
    for name, values in curves.items():
        array = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 2)
        columns[name] = (CLOCK if name == "step" else CURVE, array)
    declared = [describing(pa.field(name, array.type), kind) for name, (kind, array) in columns.items()]
    return pds.dataset(pa.table([array for _, array in columns.values()], schema=pa.schema(declared)))


def test_each_row_is_in_one_phase():
    line = PhaseMap()(rows([*TIMES, "grokking"])).iloc[0]
    assert [line[name] for name in TIMES] == [0.2, 0.2, 0.4, 0.2]
    assert (line["phase"], line["rows"], line["kept"], line["left_out"]) == ("grokking", 5, 5, 0)
    assert line["grokking_low"] < 0.4 < line["grokking_high"]


def test_a_delay_is_how_much_later_grokking_is():
    line = PhaseMap(delay=20.0)(rows([*TIMES])).iloc[0]
    assert (line["grokking"], line["comprehension"]) == (0, 0.5)
    with pytest.raises(ValueError, match="delay = 0 is not allowed; give a number of at least 1"):
        PhaseMap(delay=0.0)(rows([*TIMES]))


def test_a_crossing_that_was_not_seen_between_records_is_taken_from_the_records():
    found = rows(["grokking"]).to_table()
    place = found.schema.get_field_index("t_test_99")
    lost = found.set_column(place, found.schema.field(place), pa.array([None], pa.int64()))
    line = Phases(low=0.5)(pds.dataset(lost)).iloc[0]
    assert 10 < line["t4"] <= 1000


def test_the_map_shows_the_most_frequent_phase_of_each_point():
    rates, decays = (each.ravel() for each in np.meshgrid([0.01, 0.1, 1.0], [0.0, 1.0, 2.0], indexing="ij"))
    phases = ["confusion", "memorisation", "grokking", *["comprehension"] * 6]
    figure = phase_map(rows(phases, learning_rate=rates, weight_decay=decays))
    (axes,) = [axes for axes in figure.axes if axes.collections]
    assert np.asarray(axes.collections[0].get_array())[:, 0].tolist() == [0, 1, 2]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "linear")


def test_one_field_is_no_map():
    with pytest.raises(ValueError, match="a map needs two fields that vary; reduce the rows by phase_map"):
        phase_map(rows(["grokking", "confusion"], learning_rate=[0.1, 0.2]))


def test_a_row_that_is_right_from_the_start_comprehends():
    right = rows(["comprehension"]).to_table().set_column(2, "t_train_99", pa.array([0]))
    line = PhaseMap()(pds.dataset(right.set_column(3, "t_test_99", pa.array([0])))).iloc[0]
    assert (line["grokking"], line["comprehension"]) == (0, 1)
