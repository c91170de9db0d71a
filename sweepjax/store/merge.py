"""Runs of one sweep to one run: equal rows are taken once, rows that contradict each other are refused."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from sweepjax.store.beside import copy
from sweepjax.store.chunkfile import Damaged, footer, put
from sweepjax.store.copies import Copy, Unsound, read_copy
from sweepjax.store.directory import RECORD, Conflict, check_free, parquet_files
from sweepjax.store.paths import Overtaken, content, locate, tag
from sweepjax.store.rounds import larger
from sweepjax.store.same_columns import best
from sweepjax.store.same_rows import differences
from sweepjax.store.store import Store, choice
from sweepjax.store.verify import fits, planned_files
from sweepjax.sweep.adaptive import Adaptive
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Family

Places = list[tuple[Family, list[Path]]]  # each with the files of one name


def merge(sources: Sequence[str | Path], out: str | Path) -> Store:
    """Put the rows of runs of one sweep into `out`, which may be one of them, and return its store.

    Files are copied byte for byte, the longest where there are several. All of them are read and
    compared before the first is written, so that nothing is written where something is wrong. Sources may
    be running meanwhile: what they finish later is left to the next merge.

    Raises:
        ValueError: no runs, or cut into chunks of different sizes.
        Conflict: different sweeps, or numbers of one row that are not the same.
        Damaged: a source, or `out`, has a file that is not sound.
    """
    out, paths = locate(out), [locate(path) for path in sources]
    if not (out / RECORD).exists():
        check_free(out)
    stores = opened([*paths, *([out] if (out / RECORD).exists() else [])])
    first = widest(stores)
    places = list(_places(first.sweep, [file for store in stores for file in parquet_files(store.path)]))
    _check(places, first.chunk_rows)
    observed = list(best([store.path for store in stores]))
    target = Store(out, first.sweep, first.chunk_rows, columns=first.columns).create()
    for family, files in places:
        longest = _best(family, files)
        if longest:
            _keep(out / files[0].name, longest)
    for file in observed:
        copy(file, out / file.name)
    return target


def opened(paths: Sequence[Path], *, alike: bool = True) -> list[Store]:
    """Open the directories, each once, and refuse those that do not belong together, or are not cut `alike`."""
    first, *others = (Store.open(path) for path in {path.resolve(): path for path in paths}.values())
    for other in others:
        if other.sweep.id != first.sweep.id:
            told = "; ".join(first.sweep.differences(other.sweep))
            names = f"{first.path} (here) and {other.path} (there)"
            raise Conflict(f"{names} hold different sweeps ({told}); merge runs of one sweep")
        if alike and other.columns != first.columns:
            kept = f"{first.path} keeps {choice(first.columns)} and {other.path} {choice(other.columns)}"
            raise Conflict(f"{kept}; give --column, which makes them alike")
        if alike and other.chunk_rows != first.chunk_rows:
            sizes = f"{first.path} has chunks of {first.chunk_rows} rows and {other.path} of {other.chunk_rows}"
            raise ValueError(f"{sizes}; give --chunk with --column, which cuts them anew")
    return [first, *others]


def widest(stores: Sequence[Store]) -> Store:
    """Return the store of the most realizations; those of each point, where they differ, are the most of any store."""
    # Among equals the spelling does not depend on the order of the sources.
    first = max(stores, key=lambda store: (store.sweep.realizations, store.sweep.to_toml()))
    if not isinstance(first.sweep, Adaptive):
        return first
    counts = larger(*(store.sweep.counts for store in stores if isinstance(store.sweep, Adaptive)))
    return replace(first, sweep=replace(first.sweep, counts=counts))


def _places(sweep: Sweep, files: list[Path]) -> Iterator[tuple[Family, list[Path]]]:
    """Yield the copies of each file together, in the order of the plan."""
    places: dict[str, tuple[Family, list[Path]]] = {}
    for family, file in planned_files(sweep, files):
        if family is None:
            raise Damaged(f"{file} is no file of this sweep; move it out of the directory")
        places.setdefault(file.name, (family, []))[1].append(file)
    yield from places.values()


def _check(places: Places, chunk_rows: int) -> None:
    """Refuse whatever does not fit together, before anything is written."""
    schemas: dict[pa.Schema, Path] = {}
    for family, files in places:
        longest = _best(family, files)
        if longest and not fits(longest.chunk, chunk_rows):
            raise Damaged(f"{files[0]} is not cut every {chunk_rows} rows; {_advice(files[0])}")
        if longest:
            schemas.setdefault(longest.table.schema.remove_metadata(), files[0])
        if len(schemas) > 1:
            one, other = schemas.values()
            raise Conflict(f"{one} and {other} have different columns; merge runs of one version of sweepjax")


def _best(family: Family, files: list[Path]) -> Copy | None:
    """Return the longest of some copies, all of which hold the same rows; None if all are gone."""
    copies = {file: copy for file in files if (copy := sound_copy(file, family))}
    if not copies:
        return None
    # Among equally long ones the choice does not depend on the order of the sources.
    winner = max(copies, key=lambda file: (copies[file].chunk.rows, copies[file].content))
    for file, copy in copies.items():
        if copy.content != copies[winner].content:
            _compare(file, copy, winner, copies[winner])
    return copies[winner]


def sound_copy(file: Path, family: Family | None) -> Copy | None:
    """Return what a file holds; None if it is gone.

    Raises:
        Damaged: it is not sound.
    """
    try:
        return read_copy(file, family)
    except Unsound as error:
        raise Damaged(f"{file} {error}; {_advice(file)}") from None


def _compare(file: Path, copy: Copy, winner: Path, best: Copy) -> None:
    for found in differences(copy.table, best.table.slice(0, copy.chunk.rows), unlike=copy.device != best.device):
        row = f"row {copy.chunk.start + found.row}"
        values = f"{found.one} in {file} and {found.other} in {winner}"
        raise Conflict(f"{found.column} of {row} is {values}; `sweepjax verify DIR --recheck` tells which is right")


def _advice(file: Path) -> str:
    return f"run `sweepjax verify {shlex.quote(str(file.parent))} --repair` first"


def _keep(file: Path, copy: Copy) -> None:
    """Put a copy in its place, unless it is there or a run has meanwhile put a longer one."""
    seen = tag(file)
    if seen and (footer(file).num_rows > copy.chunk.rows or content(file) == copy.content):
        return
    try:
        put(file, copy.content, seen)
    except Overtaken:
        _keep(file, copy)
