"""How far rounds of draws have come, in sentences."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ._errors import UNFINISHED, say
from ._fill import filled, finish, opened
from ._how import How
from ._report import counted

if TYPE_CHECKING:
    from sweepjax.sweep.adaptive import Adaptive
    from sweepjax.sweep.sweep import Sweep
    from sweepjax.target import Reached, Target


def say_how_far(target: "Target", far: "Reached", sweep: "Sweep") -> None:
    """Say how far a round has come."""
    where = ", ".join(
        f"{name} {key:.12g}" if isinstance(key, float) else f"{name} {key}" for name, key in far.point.items()
    )
    if not far.exists:
        what = (
            f"the tail of {target.column} falls off too slowly for a variance, so that no standard error can be reached"
        )
        say(f"at {where or 'its only point'}, {what}; give {target.column}_inverse_square, or read medians")
        return
    verdict = "at most" if far.se <= target.se else "not yet" if sweep.realizations < target.realizations else "not"
    known = f"is {far.se:.3g}" if far.se < float("inf") else "does not exist"
    say(
        f"the standard error of {target.column} is {verdict} {target.se:g} after {sweep.realizations} realizations: "
        f"at its worst, {where or 'at the only point'}, it {known}"
    )


def run_adaptive(sweep: "Adaptive", how: How, directory: Path) -> int:
    """Draw the pilot, decide how many realizations each point needs, and fill the directory."""
    from sweepjax import adaptive  # noqa: PLC0415
    from sweepjax.store.rounds import PILOT, keep_counts  # noqa: PLC0415

    store = opened(sweep, how, directory)
    if how.most:
        first = adaptive.pilot(sweep)
        before = opened(first, how, directory / PILOT)
        if filled(before, first, how).failed:
            return UNFINISHED
        try:
            sweep = replace(sweep, counts=adaptive.counts(sweep, how.most, before.dataset()))
        except adaptive.Unreachable as error:
            say(str(error))
            return UNFINISHED
        keep_counts(store.path, sweep.counts)
        store = replace(store, sweep=sweep)
    for note in store.sweep.notes()[-1:]:
        say(note)
    code = finish(store, how, filled(store, store.sweep, how))
    if how.most and (short := adaptive.capped(sweep, how.most)):
        points = counted(short, "point has", "points have")
        say(f"{points} {how.most} realizations and may need more; give a larger --max-realizations")
        return UNFINISHED
    return code
