"""How many realizations each point of an adaptive sweep has, beside its rows."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
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
    file = path / ROUNDS
    if not (isinstance(sweep, Adaptive) and file.exists()):
        return sweep
    try:
        counts = tomllib.loads(content(file).decode())["realizations"]
    except (ValueError, KeyError) as error:
        raise Damaged(f"{file} is damaged ({error}); remove it, and run the sweep again") from None
    return replace(sweep, counts={name: int(count) for name, count in counts.items()})


def keep_counts(path: Path, counts: Mapping[str, int]) -> None:
    """Keep the realizations of each family."""
    text = "# Of each family, by the digits that its files begin with.\n" + tomli_w.dumps(
        {"realizations": dict(counts)}
    )
    try:
        put(path / ROUNDS, text.encode(), tag(path / ROUNDS))
    except Overtaken:
        keep_counts(path, counts)
