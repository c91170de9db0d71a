"""`sweepjax verify`: whether a directory holds what it says."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._errors import COMPLETE, DAMAGED
from ._options import value
from ._progress import progress
from ._report import aligned, counted

if TYPE_CHECKING:
    from sweepjax.recheck import Mismatch
    from sweepjax.store.store import Store
    from sweepjax.store.verify import Findings

Lines = list[tuple[str, str]]


def verify(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A directory that `run` made, or `publish`.")],
    recheck: Annotated[str | None, typer.Option(metavar="R", help="Compute R random rows again.")] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Remove broken files, for `run` to fill in.")] = False,
) -> int:
    """Check every file of a directory: its bytes, its labels, and that each row is there once.

    Missing rows are no fault. Rows that are not found again by --recheck are only reported, never removed.
    """
    from sweepjax.publish.checksums import is_published, runs_in  # noqa: PLC0415

    wanted = 0 if recheck is None else value("--recheck", recheck, int)
    if recheck is not None and wanted < 1:
        raise ValueError(f"--recheck {recheck} is not allowed; give a whole number from 1")
    if is_published(directory):
        return _published(directory, runs_in(directory), wanted, repair)
    return _verify(directory, wanted, repair)


def _published(folder: Path, runs: list[Path], wanted: int, repair: bool) -> int:
    """Check a folder that `publish` made: its checksums, and each of its runs."""
    from sweepjax.publish.checksums import altered  # noqa: PLC0415

    if repair:
        raise ValueError(f"{folder} is published, and not to be repaired; publish the run again")
    faults = altered(folder)
    if faults:
        typer.echo(aligned(faults))
    typer.echo(f"checksums of {folder}: {counted(len(faults), 'file is', 'files are')} not as published")
    if not (faults or runs):
        raise ValueError(f"{folder} holds no run; give a folder that `publish` made")
    # Runs whose files are not as they were published are not looked at any closer.
    return DAMAGED if faults else max(_verify(run, wanted, repair) for run in runs)


def _verify(directory: Path, wanted: int, repair: bool) -> int:
    from sweepjax.store import verify as library  # noqa: PLC0415
    from sweepjax.store.store import Store  # noqa: PLC0415

    store = Store.open(directory)
    if wanted and store.unplugged:
        raise ValueError(f"--recheck needs the plug-ins of the run: {store.unplugged}")
    findings = library.verify(store)
    removed = set(library.repair(findings) if repair else ())
    faults = [
        (_place(fault.file, store.path), fault.what + _fate(fault.replaceable, repair)) for fault in findings.faults
    ]
    mismatches, checked = _recheck(findings, wanted) if wanted else ([], 0)
    lines = faults + mismatches + _notes(store, findings)
    if lines:
        typer.echo(aligned(lines))
    left = len(faults) - len(removed)
    rows = f"{counted(findings.rows, 'row', 'rows')} in {counted(len(findings.sound), 'file', 'files')} are sound"
    again = (
        f"; computed again: {counted(checked, 'row', 'rows')}, values that differ: {len(mismatches)}" if wanted else ""
    )
    gone = f"; removed: {len(removed)}" if removed else ""
    typer.echo(f"{rows}; faulty files: {left}{gone}{again}")
    return DAMAGED if left or mismatches else COMPLETE


def _place(file: Path, directory: Path) -> str:
    """Return where a file is in a directory."""
    return str(file).removeprefix(str(directory)).lstrip("/\\")


def _fate(replaceable: bool, repair: bool) -> str:
    if not replaceable:
        return "; it stays, so move it out of the directory"
    return "; removed" if repair else "; --repair removes it"


def _recheck(findings: "Findings", wanted: int) -> tuple[Lines, int]:
    """Compute rows again and return what differs, and how many rows were computed."""
    from sweepjax.recheck import recheck  # noqa: PLC0415

    rows = min(wanted, findings.rows)
    with progress(rows, 0) as shown:
        found = list(recheck(findings, rows, watch=shown.watch))
    return [(each.file.name, _sentence(each)) for each in found], rows


def _sentence(found: "Mismatch") -> str:
    return f"row {found.row}: {found.column} is {found.stored}, computed again {found.recomputed}"


def _notes(store: "Store", findings: "Findings") -> Lines:
    """Return what is no fault: what could not be checked, rows that are not there yet, temporaries."""
    from sweepjax.store import beside  # noqa: PLC0415
    from sweepjax.store.verify import advice  # noqa: PLC0415

    plan = f"bytes and footers were checked, labels were not, since {store.unplugged}"
    unchecked = [("unchecked", plan)] if store.unplugged else []
    missing = [("missing", advice(store.path, findings.missing))] if findings.missing else []
    lacking = beside.lacking(store.path, findings.sound)
    again = [
        (name, f"lacks {counted(rows, 'row', 'rows')}; `sweepjax observe` goes on with them")
        for name, rows in lacking.items()
        if rows
    ]
    left = [(file.name, "is left of a write under way or cut off") for file in findings.leftovers]
    return unchecked + missing + again + left
