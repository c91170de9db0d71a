"""A page that lives on the terminal while others fill a directory; lines where there is no terminal."""

import sys
import time
from typing import TYPE_CHECKING, Any

import typer

from ._report import counted, duration

if TYPE_CHECKING:
    from sweepjax.look import View, Watcher
    from sweepjax.store.beats import Beat

EVERY, SELDOM = 2.0, 30.0  # seconds between two looks: on a terminal, and in a log


def watch(watcher: "Watcher", title: str) -> None:
    """Show a directory until every row of its plan is stored; Ctrl-C leaves."""
    try:
        (_page if sys.stdout.isatty() else _lines)(watcher, title)
    except KeyboardInterrupt:
        return


def _lines(watcher: "Watcher", title: str) -> None:
    typer.echo(title)
    while True:
        view = watcher.look()
        typer.echo(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line(view)}")
        sys.stdout.flush()
        if view.complete:
            return
        time.sleep(SELDOM)


def _page(watcher: "Watcher", title: str) -> None:
    from rich.live import Live  # noqa: PLC0415

    view = watcher.look()
    with Live(page(view, title), refresh_per_second=4) as live:
        while not view.complete:
            time.sleep(EVERY)
            view = watcher.look()
            live.update(page(view, title))


def line(view: "View") -> str:
    """Return what is seen in one line of a log."""
    silent = [beat for beat in _shown(view) if _is_silent(beat)]
    working = len([beat for beat in view.beats if not (beat.ended or _is_silent(beat))])
    failures = sum(len(beat.failures) for beat in view.beats)
    parts = [_rows(view), *_speed(view), counted(working, "process", "processes") if view.beats else ""]
    chunks, along = sum(beat.chunks for beat in view.beats), sum(beat.along for beat in view.beats)
    parts += [f"{counted(chunks, 'chunk', 'chunks')} under way ({along:.3g} rows of them)" if chunks else ""]
    parts += [f"{len(silent)} silent" if silent else "", counted(failures, "failure", "failures") if failures else ""]
    parts += [_number(known) for known in view.known[:1]]
    return ", ".join(part for part in parts if part)


def page(view: "View", title: str) -> Any:
    """Return what is seen as a page of Rich."""
    from rich.console import Group  # noqa: PLC0415
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    facts = Table.grid(padding=(0, 2))
    facts.add_row("rows", Text(_rows(view)))
    facts.add_row("", ProgressBar(total=view.planned or None, completed=view.rows, width=60))
    facts.add_row("rate", Text(", ".join(_speed(view)) or "not known yet"))
    facts.add_row("files", Text(str(view.files)))
    for known in view.known:
        facts.add_row("mean", Text(_number(known)))
    parts = [Text(title, style="bold"), facts]
    return Group(*parts, *_workers(_shown(view)), *_failures(view.beats))


def _shown(view: "View") -> list["Beat"]:
    """Return the processes to show: of a complete run nobody asks for those that were killed on the way."""
    return [beat for beat in view.beats if not (view.complete and _is_silent(beat))]


def _workers(found: list["Beat"]) -> list[Any]:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    if not found:
        return []
    titles = ("process", "device", "part", "doing", "rows", "rows/s", "under way", "lanes full")
    table = Table(*titles, box=None, header_style="bold")
    for beat in found:
        doing = "ended" if beat.ended else f"silent for {duration(beat.silent)}" if _is_silent(beat) else beat.doing
        rate = f"{(beat.computed + beat.along) / beat.seconds:.3g}" if beat.seconds else ""
        cells = (
            f"{beat.host}:{beat.process}",
            beat.device,
            beat.part,
            doing,
            str(beat.computed),
            rate,
            *_in_hand(beat),
        )
        table.add_row(*(Text(cell) for cell in cells), style="red" if _is_silent(beat) else "")
    return [Text(), table]


def _in_hand(beat: "Beat") -> tuple[str, str]:
    """Return what a process has under way, and how full its lanes were so far."""
    chunks = f"{counted(beat.chunks, 'chunk', 'chunks')}, {beat.along:.3g} rows of them" if beat.chunks else ""
    return chunks, f"{100 * beat.served / beat.taken:.3g} %" if beat.taken else ""


def _failures(found: list["Beat"]) -> list[Any]:
    from rich.text import Text  # noqa: PLC0415

    lines = [Text(f"{beat.host}: {sentence}", style="red") for beat in found for sentence in beat.failures]
    return [Text(), Text("failures", style="bold"), *lines[-8:]] if lines else []


def _rows(view: "View") -> str:
    if not view.planned:
        return f"{view.rows} rows of unknown"
    return f"{view.rows} of {view.planned} rows, {100 * view.rows / view.planned:.4g} %"


def _speed(view: "View") -> list[str]:
    if not view.rate >= 0:
        return []
    left = [f"ETA {duration(view.left)}"] if view.left >= 0 and not view.complete else []
    return [f"{view.rate:.3g} rows/s", *left]


def _number(known: Any) -> str:
    where = f" at {known.point}" if known.point else ""
    return f"{known.column} {known.mean:.6g} ± {known.se:.2g}{where} ({known.rows:.0f} rows)"


def _is_silent(beat: "Beat") -> bool:
    from sweepjax.store.beats import COMPILING, SILENT  # noqa: PLC0415

    return not beat.ended and beat.silent > (COMPILING if beat.doing == "compiling" else SILENT)
