"""First crossings are seen by looks between the recorded times, and at those times."""

import pandas as pd
import pytest

import sweepjax as sj
from sweepjax.engine.engine import Engine
from sweepjax.sweep.sweep import Sweep

STEPS = {"model": "flickering:Blinker", "solver": "gradient_descent", "learning_rate": 1.0, "until": 300.0}


def found(*, lanes=1, **options):
    """The row of looks that are two steps apart from 200 on, at even ones; only 251 is right."""
    (_, row), *_ = sj.run(Sweep.from_toml(STEPS | options | {"realizations": 2}), engine=Engine(lanes=lanes)).iterrows()
    return row


@pytest.mark.parametrize("lanes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_row_that_is_ended_where_it_is_right_knows_that_it_was(lanes):
    row = found(lanes=lanes, record="0,251,300", stop="right>=1")
    assert (row["stopped"], row["t_right"]) == (True, 251)
    assert pd.isna(row["t_late"])


@pytest.mark.parametrize("lanes", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_what_a_curve_shows_is_a_crossing_and_no_other_look_moves(lanes):
    row = found(lanes=lanes, record="0,251,300")
    assert (row["t_right"], row["t_late"]) == (251, 290)


def test_what_is_right_between_two_looks_and_not_recorded_is_not_seen():
    assert pd.isna(found(record="0,250,252,300")["t_right"])


def test_a_time_that_is_recorded_after_the_crossing_does_not_move_it():
    row = found(record="0,240,299,300", period=120.0)
    assert (row["t_right"], row["t_late"]) == (120, 290)


def test_a_time_after_the_end_is_no_crossing():
    assert pd.isna(found(record="0,100,251,300", stop="train_loss<0")["t_right"])
