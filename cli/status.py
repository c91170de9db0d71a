"""`sweepjax status`: what a directory holds, and what it is meant to hold."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import _watch as looking
from ._report import aligned, counted, size, uncertified

if TYPE_CHECKING:
    from sweepjax.store.store import Store, Summary


def status(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A directory that `run` made.")],
    watch: Annotated[bool, typer.Option("--watch", help="Look on until it is complete; Ctrl-C leaves.")] = False,
) -> None:
    """Say what a directory holds and what is missing."""
    from sweepjax.store.store import Store  # noqa: PLC0415
    from sweepjax.sweep.adaptive import draws  # noqa: PLC0415

    store = Store.open(directory)
    if watch:
        from sweepjax.look import Watcher  # noqa: PLC0415

        looking.watch(Watcher(store.path), f"{store.path}: model {store.sweep.model}, solver {store.sweep.solver}")
        return
    sweep, held = store.sweep, store.summary()
    axes = [("", note) for note in sweep.notes()]
    lines = [
        ("sweep", f"model {sweep.model}, solver {sweep.solver}"),
        *axes,
        ("points", f"{sweep.points or 'unknown'}, of {draws(sweep)}"),
        ("rows", _share(held)),
        *_certificates(directory, held),
        ("files", f"{held.files} of at most {counted(store.chunk_rows, 'row', 'rows')}, {size(held.bytes)}"),
        *_sources(held, store.source),
        *_lanes(held),
        *_observed(store, held),
        *(
            [("under way", f"{counted(held.under_way, 'chunk', 'chunks')}, kept to go on from")]
            if held.under_way
            else []
        ),
        ("leftovers", f"{len(held.leftovers)}" + (", of writes under way or cut off" if held.leftovers else "")),
    ]
    if store.unplugged:
        lines.insert(1, ("", f"its plug-ins cannot be used here: {store.unplugged}"))
    typer.echo(aligned(lines))


def _certificates(directory: Path, held: "Summary") -> list[tuple[str, int]]:
    """Return how many rows are uncertified, where rows have a certificate."""
    doubtful = uncertified(directory) if held.files else None
    return [] if doubtful is None else [("uncertified", doubtful)]


def _observed(store: "Store", held: "Summary") -> list[tuple[str, str]]:
    """Return the columns that were observed of finished rows, and how many rows lack them."""
    from sweepjax.store.beside import lacking  # noqa: PLC0415
    from sweepjax.store.directory import chunk_files  # noqa: PLC0415

    lines = [
        f"{name}, of {held.rows - less} rows" for name, less in lacking(store.path, chunk_files(store.path)).items()
    ]
    return list(zip(["observed", *len(lines) * [""]], lines, strict=False))


def _sources(held: "Summary", present: str) -> list[tuple[str, str]]:
    """Return the code of plug-ins from outside that has computed the rows, and the present one if that is another."""
    lines = [f"{text} ({counted(count, 'file', 'files')})" for text, count in held.sources.items()]
    lines += [f"{present} is the present one"] if lines and present and present not in held.sources else []
    return list(zip(["code", *len(lines) * [""]], lines, strict=False))


def _lanes(held: "Summary") -> list[tuple[str, str]]:
    """Return how many rows went side by side, and how full the lanes were; rows of earlier versions do not say."""
    if not held.lanes:
        return []
    widths = ", ".join(f"{lanes} ({counted(count, 'file', 'files')})" for lanes, count in held.lanes.items())
    full = "" if math.isnan(held.lane_efficiency) else f", {100 * held.lane_efficiency:.3g} % full"
    return [("lanes", widths + full)]


def _share(held: "Summary") -> str:
    if not held.planned:
        return f"{held.rows} of unknown"
    return f"{held.rows} of {held.planned}, {100 * held.rows / held.planned:.4g} %"
