"""The times a training is recorded at, in the clock of its solver."""

import math
from typing import Literal, get_args

from sweepjax.sweep.axes import LARGEST_WHOLE, count_of, expand, logarithmic, nearest, shown

MOST_RECORDS = 1_000_000
PER_DECADE = 20

Clock = Literal["time", "step", "none"]
CLOCKS: tuple[Clock, ...] = get_args(Clock)


def recorded_times(clock: Clock, until: float | None = None, record: str | None = None) -> tuple[float, ...]:
    """Return the recorded times in the solver's own clock: ascending, from 0, equal ones merged.

    Args:
        clock: "time", "step" (whole numbers) or "none", which records nothing.
        until: the end of the training, recorded in any case.
        record: how many times, 0 among them and the others evenly spaced in the logarithm; or an
            axis of times. By default 0 and twenty a decade.

    Raises:
        ValueError: there is no clock, no end, or no such time.

    """
    return tuple(sorted(set(asked_times(clock, until, record))))


def asked_times(clock: Clock, until: float | None = None, record: str | None = None) -> list[float]:
    """Return the times of `recorded_times` before equal ones are merged."""
    if clock == "none":
        return _no_times(until, record)
    if until is not None:
        _check_until(clock, until)
    if record is not None and any(mark in record for mark in ":,"):
        return _listed(clock, until, record)
    if until is None:
        raise ValueError(f"the training has no end; give --until in the solver's clock ({clock})")
    times = _decades(clock, until) if record is None else _spaced(clock, until, _record_count(record))
    return [0.0, *(float(nearest(time)) if clock == "step" else time for time in times)]


def time_notes(clock: Clock, until: float | None, record: str | None) -> list[str]:
    """Say what is recorded, and how many equal times were merged of those asked for."""
    asked, kept = asked_times(clock, until, record), recorded_times(clock, until, record)
    if not kept:
        return []
    equal = len(asked) - len(kept) if record is not None else 0
    merged = f"; {equal} equal {clock}s are merged" if equal else ""
    return [f"record {len(kept)} {clock}s, {kept[0]:g} to {kept[-1]:.12g}{merged}"]


def _no_times(until: float | None, record: str | None) -> list[float]:
    if until is not None or record is not None:
        raise ValueError("this solver has no clock and records no times; leave --until and --record out")
    return []


def _check_until(clock: Clock, until: float) -> None:
    if not (math.isfinite(until) and until >= 0):
        raise ValueError(f"--until {until:g} is not allowed; give a finite number from 0")
    if clock == "step" and (until % 1 or until > LARGEST_WHOLE):
        raise ValueError(f"--until {until!r} is not allowed; steps are whole numbers below 2^53")


def _record_count(record: str) -> int:
    count = count_of(record, record)
    if count > MOST_RECORDS:
        raise ValueError(f"--record {record} is not allowed; give at most {MOST_RECORDS} times")
    return count


def _listed(clock: Clock, until: float | None, record: str) -> list[float]:
    times = [float(time) for time in expand(record, int if clock == "step" else float)]
    if min(times) < 0:
        raise ValueError(f"--record {shown(record)} holds {min(times):g}; give times from 0")
    if until is not None and max(times) > until:
        raise ValueError(
            f"--record {shown(record)} goes on to {max(times):g}, beyond --until {until:g}; give earlier times"
        )
    ends = [0.0] if until is None else [0.0, float(until)]
    return times + [end for end in dict.fromkeys(ends) if end not in times]


def _first(clock: Clock, until: float) -> float:
    """Return the first time after 0: one step, or 0.01 and at least two decades before the end."""
    return 1.0 if clock == "step" else min(0.01, until / 100) or until


def _decades(clock: Clock, until: float) -> list[float]:
    """Return the powers 10^(k/20) from the first time up to `until`, which ends the list in any case."""
    if until == 0:
        return []
    first, last = (PER_DECADE * math.log10(time) for time in (_first(clock, until), until))
    times = [10.0 ** (k / PER_DECADE) for k in range(math.ceil(first - 1e-9), math.ceil(last - 1e-9))]
    return [*times, float(until)]


def _spaced(clock: Clock, until: float, count: int) -> list[float]:
    # Counted back from the end, so that two times are 0 and the end.
    return list(logarithmic(float(until), _first(clock, until), count - 1)) if until > 0 else []
