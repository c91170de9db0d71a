import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweepjax.sweep.axes import parse_axis
from sweepjax.sweep.times import recorded_times

decimals = st.decimals(-1000, 1000, places=4)
ranges = st.tuples(decimals, decimals).map(sorted)
counts = st.integers(2, 200)


def test_a_plain_range_is_twenty_one_points():
    assert len(parse_axis("0.4:0.6")) == 21


def test_a_plain_range_holds_the_floats_one_would_type():
    assert parse_axis("0.4:0.6") == tuple(float(f"0.{k}") for k in range(40, 61))


@given(ranges, counts)
def test_a_counted_range_includes_both_ends(ends, count):
    values = parse_axis(f"{ends[0]}:{ends[1]}@{count}")
    assert (values[0], values[-1]) == (float(ends[0]), float(ends[1]))


@given(ranges, counts)
def test_values_ascend_strictly(ends, count):
    values = parse_axis(f"{ends[0]}:{ends[1]}@{count},{ends[0]}:{ends[1]}")
    assert all(a < b for a, b in pairwise(values))


@given(st.integers(0, 999), st.integers(1, 50), st.integers(0, 100))
def test_a_stepped_range_is_exact_to_the_decimal(start, step, count):
    text = f"{start / 1000}:{(start + step * count) / 1000}:{step / 1000}"
    assert parse_axis(text) == tuple((start + step * i) / 1000 for i in range(count + 1))


def test_the_end_of_a_stepped_range_belongs_to_it_only_on_the_grid():
    assert parse_axis("0.4:0.6:0.15") == (0.4, 0.55)


@given(st.floats(1e-300, 1e300), st.floats(1e-300, 1e300), counts)
def test_a_logarithmic_range_includes_both_ends_and_stays_within(a, b, count):
    low, high = sorted((a, b))
    values = parse_axis(f"log:{low!r}:{high!r}@{count}")
    assert (values[0], values[-1]) == (low, high)


def test_a_logarithmic_range_hits_powers_of_ten_exactly():
    assert parse_axis("log:1e-3:1@4") == (0.001, 0.01, 0.1, 1.0)


def test_commas_join_and_equal_values_merge():
    assert parse_axis("0.49, 0.4:0.48:0.04 ,0.440") == (0.4, 0.44, 0.48, 0.49)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_every_float_survives_being_typed(values):
    assert parse_axis(",".join(map(repr, values))) == tuple(sorted(set(values)))


def test_an_integer_range_has_step_one():
    assert parse_axis("3:6", kind=int) == (3, 4, 5, 6)


def test_integers_may_be_typed_in_any_whole_spelling():
    assert parse_axis("1e3,400.0", kind=int) == (400, 1000)


def test_inner_points_of_a_counted_integer_range_are_rounded():
    assert parse_axis("log:1:100@5", kind=int) == (1, 3, 10, 32, 100)


def test_texts_know_commas_only():
    assert parse_axis("a:b, c", kind=str) == ("a:b", "c")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("0.4,,0.5", "empty"),
        ("0.6:0.4", "backwards"),
        ("0:1:0", "step above 0"),
        ("0:1:-0.1", "step above 0"),
        ("nan", "finite"),
        ("0:inf", "finite"),
        ("1e999", "finite"),
        ("1e-999999999", "finite"),
        ("half", "not a number"),
        ("0:1@0", "whole number from 1"),
        ("0:1@2.5", "whole numbers"),
        ("0:1:0.1@5", "cannot read"),
        ("0:1:0.1:2", "cannot read"),
        ("log:0:1@5", "START above 0"),
        ("log:1:10", "@COUNT"),
        ("0:1:1e-300,0.4", "has more than"),
        ("__import__('os')", "not a number"),
    ],
)
def test_a_float_axis_that_means_nothing_is_refused_with_a_reason(text, reason):
    with pytest.raises(ValueError, match=reason):
        parse_axis(text)


@pytest.mark.parametrize("text", ["2.5", "1:10:0.5", "0.5:3", "1e30"])
def test_an_integer_axis_refuses_what_is_not_whole(text):
    with pytest.raises(ValueError, match="whole numbers"):
        parse_axis(text, kind=int)


def test_a_solver_without_clock_records_no_times():
    assert recorded_times("none") == ()


@pytest.mark.parametrize("asked", [{"until": 1.0}, {"record": "10"}])
def test_a_solver_without_clock_refuses_times(asked):
    with pytest.raises(ValueError, match="no clock"):
        recorded_times("none", **asked)


def test_by_default_twenty_times_a_decade_are_recorded():
    times = recorded_times("time", 1e6)
    assert sum(1 <= time < 10 for time in times) == 20


@given(st.sampled_from(["time", "step"]), st.integers(0, 10**9), st.none() | st.integers(2, 500))
def test_records_ascend_from_zero_to_the_end(clock, until, count):
    times = recorded_times(clock, until, None if count is None else str(count))
    assert times == tuple(sorted({0.0, *times, float(until)}))


@given(st.floats(1e-9, 1e9), st.integers(2, 500))
def test_the_count_of_flow_times_includes_zero(until, count):
    assert len(recorded_times("time", until, str(count))) == count


@given(st.integers(0, 10**9), st.integers(1, 500))
def test_steps_are_whole_and_never_more_than_asked(until, count):
    steps = recorded_times("step", until, str(count))
    assert all(step.is_integer() for step in steps)
    assert len(steps) <= count


def test_an_axis_of_times_gains_zero_and_the_end():
    assert recorded_times("time", 5, "0.5,1:3:1") == (0, 0.5, 1, 2, 3, 5)


def test_an_axis_of_times_may_set_the_end_itself():
    assert recorded_times("step", None, "log:1:100@3") == (0, 1, 10, 100)


@pytest.mark.parametrize("until", [-1.0, math.nan, math.inf])
def test_an_end_that_is_no_time_is_refused(until):
    with pytest.raises(ValueError, match="finite number from 0"):
        recorded_times("time", until)


@pytest.mark.parametrize(
    ("clock", "until", "record", "reason"),
    [
        ("time", None, None, "no end"),
        ("time", None, "10", "no end"),
        ("step", 2.5, None, "whole numbers"),
        ("time", 1, "0", "whole number from 1"),
        ("time", 1, "1000001", "at most 1000000"),
        ("time", 1, "-1:1", "from 0"),
        ("time", 1, "0:2", "beyond"),
        ("step", 10, "0.5,2", "whole numbers"),
    ],
)
def test_records_that_mean_nothing_are_refused_with_a_reason(clock, until, record, reason):
    with pytest.raises(ValueError, match=reason):
        recorded_times(clock, until, record)
