"""How many realizations each point of an adaptive sweep has, beside its rows."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from pathlib import Path

import tomli_w

from sweepjax.store.chunkfile import Damaged, put
from sweepjax.store.paths import Overtaken, content, tag
from sweepjax.sweep.adaptive import Adaptive
from sweepjax.sweep.sweep import Sweep

ROUNDS = "_rounds.toml"
PILOT = "_pilot"  # the directory of the rows that are to decide how many there are


def counted(path: Path, sweep: Sweep) -> Sweep:
    """Return the sweep of a directory with its counts, if it has any."""
    return replace(sweep, counts=_stored(path / ROUNDS)) if isinstance(sweep, Adaptive) else sweep


def keep_counts(path: Path, counts: Mapping[str, int]) -> None:
    """Keep the realizations of each family; where more of them are stored already, these stay."""
    seen = tag(path / ROUNDS)
    stored = _stored(path / ROUNDS)
    most = larger(stored, counts)
    if most == stored:
        return
    text = "# Of each family, by the digits that its files begin with.\n" + tomli_w.dumps({"realizations": most})
    try:
        put(path / ROUNDS, text.encode(), seen)
    except Overtaken:
        keep_counts(path, counts)


def larger(*several: Mapping[str, int]) -> dict[str, int]:
    """Return the largest of several counts of each family."""
    return {name: max(each.get(name, 0) for each in several) for name in dict.fromkeys(chain(*several))}


def _stored(file: Path) -> dict[str, int]:
    """Return the counts in a file; none where there is none."""
    if not file.exists():
        return {}
    try:
        counts = tomllib.loads(content(file).decode())["realizations"]
        return {name: int(count) for name, count in counts.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Damaged(f"{file} is damaged ({error}); remove it, and run the sweep again") from None
