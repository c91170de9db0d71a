"""The clock of weight decay: trainings made by hand whose curves cross where they are told to."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax.columns import CLOCK, CURVE, FACT, LABEL, describing
from sweepjax.reducers.switch_time import SwitchTime

TIMES = np.linspace(0, 1000, 1001)
KINDS = {"time": CLOCK, "test_accuracy": CURVE, "test_loss": CURVE, "plateau": FACT}


def rows(turns, *, l2=0.01, plateau=2.0):
    """A row for each (realization, α): its accuracy rises through 0.95, its loss falls through 1/2 when it turns."""
    table = pd.DataFrame([{"seed": 0, "realization": r, "alpha": a, "l2": l2, "plateau": plateau} for r, a in turns])
    columns = {name: pa.array(table[name]) for name in table}
    late = [np.clip((TIMES - turn) / 2000, -0.4, 0.04) for turn in turns.values()]
    curves = {"test_accuracy": [0.95 + x for x in late], "test_loss": [plateau * (0.5 - x) for x in late]}
    for name, values in {**curves, "time": [TIMES] * len(late)}.items():
        columns[name] = pa.FixedSizeListArray.from_arrays(pa.array(np.ravel(values)), TIMES.size)
    made = pa.table(columns)
    return pds.dataset(made.cast(pa.schema([describing(f, KINDS.get(f.name, LABEL)) for f in made.schema])))


def turns(slope, shifts):
    return {(r, a): 100 * (slope * np.log(a) + shift) for r, shift in enumerate(shifts) for a in (8.0, 32.0, 128.0)}


def test_a_law_that_holds_has_slope_one_and_the_shift_of_each_draw():
    table = SwitchTime()(rows(turns(1.0, [0.5, -0.3])))
    assert table["shift"].to_list() == pytest.approx([0.1] * 3, abs=1e-4)
    assert table["shift_sd"].to_list() == pytest.approx([0.8 / np.sqrt(2)] * 3, abs=1e-3)
    assert (table.attrs["slope"], table.attrs["slope_draws"]) == (pytest.approx(1.0, abs=1e-4), 2)
    assert table.attrs["shift_spread"] < 1e-3


def test_a_law_that_fails_shows_in_slope_and_spread():
    law = SwitchTime()(rows(turns(1.1, [0.5, -0.3]))).attrs
    assert law["slope"] == pytest.approx(1.1, abs=1e-4)
    assert law["shift_spread"] == pytest.approx(0.1 * np.log(16), abs=1e-3)


def test_a_threshold_may_be_a_share_of_a_number_of_the_row():
    loss = SwitchTime(column="test_loss", threshold=0.5, share_of="plateau", falling=True)
    accuracy, other = SwitchTime(), rows(turns(1.0, [0.5, -0.3]), plateau=7.0)
    assert loss(other)["time"].to_list() == pytest.approx(accuracy(other)["time"].to_list(), rel=1e-4)


def test_what_never_turns_is_censored_and_has_no_shift():
    table = SwitchTime()(rows({(0, 8.0): 300.0, (1, 8.0): 5000.0}))
    assert table[["rows", "crossed", "censored", "left_out"]].iloc[0].to_list() == [2, 1, 1, 0]
    assert table["shift"][0] == pytest.approx(3 - np.log(8), abs=1e-4)
    assert table.attrs == {}


def test_each_row_is_listed_with_its_time():
    table = SwitchTime(each=True)(rows(turns(1.0, [0.5, -0.3])))
    assert len(table) == 6
    assert (0.01 * table["time"] - np.log(table["alpha"])).to_list() == pytest.approx(table["shift"].to_list())


def test_an_unknown_crossing_is_refused():
    with pytest.raises(ValueError, match="crossing 'lst'"):
        SwitchTime(crossing="lst")(rows(turns(1.0, [0.5])))
