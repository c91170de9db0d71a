"""Observed columns that are to be one: of the same options, code and numbers."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from sweepjax.store.beside import Beside, beside, sound_rows, whole
from sweepjax.store.directory import Conflict
from sweepjax.store.same_rows import differences

NONE = "none from outside"


def best(directories: Sequence[Path]) -> Iterator[Path]:
    """Yield the longest file of each observed column of each chunk of some directories.

    Raises:
        Conflict: two of them contradict each other.
    """
    groups: dict[str, list[Beside]] = defaultdict(list)
    for each in (each for directory in directories for each in beside(directory)):
        sound_rows(each)
        groups[each.file.name].append(each)
    _check_alike([each for several in groups.values() for each in several])
    for several in groups.values():
        winner = max(several, key=lambda each: each.rows)
        for each in several:
            _compare(each, winner)
        yield winner.file


def _check_alike(several: Sequence[Beside]) -> None:
    """Refuse files of one column that were observed with other options, or by other code."""
    first: dict[str, Beside] = {}
    for each in several:
        other = first.setdefault(each.column, each)
        if each.text != other.text:
            raise Conflict(f"{other.file} is {other.text}, and {each.file} {each.text}; observe one of them")
        if each.source != other.source:
            one, two = (file.source or NONE for file in (other, each))
            codes = f"{other.file} is of the code {one}, and {each.file} of {two}"
            raise Conflict(f"{codes}; move one of them away, and observe again")


def mixed(several: Sequence[Beside]) -> dict[Path, str]:
    """Return the files that other code has observed than most of their column, each with what is wrong."""
    found: dict[Path, str] = {}
    for column in {each.column for each in several}:
        told = {each.file: each.source for each in several if each.column == column}
        usual = Counter(told.values()).most_common(1)[0][0]
        what = f"was observed by other code ({{}}) than most of its column ({usual or NONE})"
        found |= {file: what.format(own or NONE) for file, own in told.items() if own != usual}
    return found


def _compare(one: Beside, other: Beside) -> None:
    mine, others = whole(one), whole(other)
    for found in differences(mine, others.slice(0, len(mine))):
        values = f"{found.one} in {one.file} and {found.other} in {other.file}"
        raise Conflict(f"{found.column} is {values}; `sweepjax verify DIR --recheck` tells which is right")
