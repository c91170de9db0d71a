"""`sweepjax doctor`: what this machine offers, and whether anything is broken."""

from typing import Annotated

import typer

from . import _complete
from ._errors import COMPLETE, FAULT, say
from ._how import DEVICES


def doctor(
    device: Annotated[
        str | None,
        _complete.option("--device", "cpu|gpu|tpu", "Default: the fastest there is.", lambda: [*DEVICES]),
    ] = None,
) -> int:
    """Look at devices, their speed, cache, disk and one certified row; exit 1 where something is broken."""
    from sweepjax.doctor import examine  # noqa: PLC0415
    from sweepjax.plugins import unknown  # noqa: PLC0415

    if device is not None and device not in DEVICES:
        raise ValueError(unknown("device", device, [*DEVICES]))
    sound = True
    for found in examine(device or ""):
        sound &= found.sound
        typer.echo(f"{'ok' if found.sound else 'BROKEN':<8}{found.name:<22}{found.text}")
    if not sound:
        say("what is BROKEN above makes runs fail or slow; mend it and ask again")
    return COMPLETE if sound else FAULT
