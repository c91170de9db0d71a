"""What lies in a directory of rows: the sweep's record, its chunks, and whatever is in their way."""

import re
from pathlib import Path

from sweepjax.store.chunkfile import Damaged, foreign
from sweepjax.store.paths import entries, remote

RECORD, STATE = "_sweep.toml", "_state-"
DATA = "data"  # where the runs of a published folder are
BESIDE = {".csv", ".html", ".pdf", ".png", ".svg"}  # tables, pages and pictures may lie beside the rows they show
CHUNK_NAME = re.compile(r"[0-9a-f]{12}-\d{9,}\.parquet")


class Conflict(Exception):  # noqa: N818  named for what happened
    """The directory holds another sweep, or something that is no sweep."""


def chunk_files(path: Path) -> list[Path]:
    """List the finished chunks of a directory, by name; Parquet of any other name is foreign (Damaged)."""
    files = parquet_files(path)
    for file in files:
        if not CHUNK_NAME.fullmatch(file.name):
            raise foreign(file)
    return files


def parquet_files(path: Path) -> list[Path]:
    """List whatever a reader of the directory takes for rows, by name."""
    return [file for file in _visible(path) if file.suffix == ".parquet"]


def states(path: Path) -> list[Path]:
    """List what is kept of chunks under way."""
    return [file for file in entries(path) if file.name.startswith(STATE) and file.suffix == ".npz"]


def check_free(path: Path) -> None:
    """Refuse a path where no directory of rows can begin.

    Raises:
        ValueError: a file is in the way.
        Conflict: the directory holds other files.
        Damaged: it holds Parquet files of another origin.
    """
    if not remote(path):
        nearest = next(each for each in (path, *path.parents) if each.exists())
        if not nearest.is_dir():
            raise ValueError(f"{nearest} is a file; give a directory, new or of the same sweep")
    check_rows_have_a_record(path)
    taken = [file for file in _visible(path) if file.suffix not in BESIDE] if path.is_dir() else []
    if taken:
        raise Conflict(f"{path} holds other files ({taken[0].name}, ...); choose an empty or a new directory")


def check_rows_have_a_record(path: Path) -> None:
    """Refuse a directory, known to have no record, that holds Parquet files (Damaged)."""
    rows = parquet_files(path) if path.is_dir() else []
    if rows:
        raise Damaged(f"{path} holds Parquet files ({rows[0].name}, ...) but no {RECORD}; choose another directory")


def nearby(path: Path) -> str:
    """Return which directory to give instead: what `solve` makes holds runs, and so does data of a published folder."""
    folders = [folder for folder in (path, path / DATA) if folder.is_dir()]
    below = [str(each) for folder in folders for each in entries(folder) if (each / RECORD).exists()]
    if len(below) == 1:
        return f"it holds one that does, so give that: {below[0]}"
    if below:
        return f"it holds {len(below)} that do, so give one of them, or several: {', '.join(below[:3])}"
    return "give a directory that `sweepjax run` made"


def _visible(path: Path) -> list[Path]:
    return [file for file in entries(path) if file.name[0] not in "._"]
