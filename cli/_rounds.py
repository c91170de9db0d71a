"""How far rounds of draws have come, in sentences."""

from typing import TYPE_CHECKING

from ._errors import say

if TYPE_CHECKING:
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
