"""The SHA-256 of every file of a folder, in a file as `sha256sum -c` reads it."""

import hashlib
import re
from pathlib import Path

from sweepjax.store.chunkfile import Damaged
from sweepjax.store.directory import DATA, RECORD

SUMS, CRATE = "checksums.sha256", "ro-crate-metadata.json"
PIECE = 2**20  # bytes
LINE = re.compile(r"(?P<digest>[0-9a-f]{64})  (?P<name>.+)")


def is_published(folder: Path) -> bool:
    """Whether a folder is one that `publish` made, whole or not; a run may have checksums beside it, of your own."""
    return not (folder / RECORD).exists() and any((folder / name).is_file() for name in (SUMS, CRATE))


def runs_in(folder: Path) -> list[Path]:
    """Return the runs of a published folder."""
    return sorted(record.parent for record in (folder / DATA).glob(f"*/{RECORD}"))


def write(folder: Path) -> Path:
    """Write the checksums of all files of a folder, and return their file."""
    lines = [f"{digest(file)}  {file.relative_to(folder).as_posix()}\n" for file in files(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")
    return folder / SUMS


def altered(folder: Path) -> list[tuple[str, str]]:
    """Return the files of a folder that are not as they were published, each with what is wrong."""
    told = _told(folder / SUMS)
    here = {file.relative_to(folder).as_posix(): file for file in files(folder)}
    faults = [(name, "is missing") for name in told if name not in here]
    faults += [(name, "is none of the published files") for name in here if name not in told]
    faults += [
        (name, "is not as it was published")
        for name, file in here.items()
        if told.get(name) not in (None, digest(file))
    ]
    return sorted(faults)


def _told(sums: Path) -> dict[str, str]:
    """Return the checksum of each file, by its name.

    Raises:
        Damaged: the file of checksums is none.
    """
    try:
        lines = [LINE.fullmatch(line) for line in sums.read_text(encoding="utf-8").splitlines()]
    except (UnicodeDecodeError, OSError):
        lines = [None]
    if not all(lines):
        raise Damaged(f"{sums} is damaged: it holds more than checksums and names; get the folder again")
    return {line["name"]: line["digest"] for line in lines if line}


def files(folder: Path) -> list[Path]:
    """List the files of a folder, without the checksums themselves and what begins with a dot."""
    found = (file for file in folder.rglob("*") if file.is_file() and file.name != SUMS)
    return sorted(file for file in found if not any(part[0] == "." for part in file.relative_to(folder).parts))


def digest(file: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal digits."""
    hashed = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(PIECE):
            hashed.update(piece)
    return hashed.hexdigest()
