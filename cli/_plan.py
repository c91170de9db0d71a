"""What a sweep would take, in a table."""

from typing import TYPE_CHECKING

import typer

from ._errors import COMPLETE, say
from ._how import How
from ._report import aligned, counted, duration, size

if TYPE_CHECKING:
    from sweepjax.plan import Plan
    from sweepjax.sweep.sweep import Sweep


def print_plan(sweep: "Sweep", how: How) -> int:
    """Print what a sweep would take; nothing is made."""
    from sweepjax.oracle import sentences  # noqa: PLC0415
    from sweepjax.plan import plan  # noqa: PLC0415
    from sweepjax.sweep.adaptive import Adaptive  # noqa: PLC0415

    if how.target:
        sweep = sweep.replaced(realizations=how.target.realizations)
        say(f"this is for all of the {sweep.realizations} realizations that --target-se may take")
    if isinstance(sweep, Adaptive) and not sweep.counts:
        say(f"this is for {sweep.realizations} realizations a point; the pilot that decides how many is still to run")
    if how.part.of > 1:
        say(f"this is for all chunks, of which --part {how.part.number}/{how.part.of} takes one in {how.part.of}")
    say("timing a few rows of at most three families; nothing is stored")
    made: Plan = plan(sweep, engine=how.engine, chunk_rows=how.chunk)
    first = f", the first {made.steps} steps of each" if made.steps else ""
    pilots = counted(made.pilots, "family", "families")
    lines = [
        ("points", made.points),
        ("families", f"{made.families}, each compiled once"),
        ("chunks", f"{made.chunks} of at most {made.chunk_rows} rows"),
        ("rows", made.rows),
        ("batch", f"{made.batch_rows} rows enter at a time, dealt to {made.devices} devices"),
        ("lanes", f"{made.lanes} on each device, {100 * made.lane_efficiency:.3g} % full until the last rows are done"),
        ("memory", f"{size(made.batch_bytes)} a batch"),
        ("time", f"about {duration(made.compiling + made.computing)}, estimated from {pilots}{first}"),
        ("", f"{duration(made.compiling)} of it compiling, less what earlier runs have compiled"),
        ("disk", f"about {size(made.stored_bytes)}"),
    ]
    typer.echo(aligned([*lines, *(("theory", line) for line in sentences(sweep))]))
    return COMPLETE
