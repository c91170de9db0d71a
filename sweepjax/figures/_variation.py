"""What differs between the rows of a figure, and how that is said."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
from pyarrow.dataset import Dataset

from sweepjax import plugins, reducers
from sweepjax.columns import plug_in
from sweepjax.figures._drawing import require, require_own

LABELS = {"lam": "λ", "solver": ""}  # those of every model, which are told first


class Words(NamedTuple):
    """How figures call fields and their values: as the plug-ins declare."""

    symbols: dict[str, str]
    values: dict[tuple[str, Any], str]

    @classmethod
    def of(cls, points: pd.DataFrame) -> "Words":
        """Return the words of the models and solvers of some points."""
        symbols, values = dict(LABELS), {}
        for kind in ("model", "solver"):
            for name in sorted(set(points[kind])) if kind in points else ():
                found = plug_in(kind, name)
                values[kind, name] = getattr(found, "word", name.rpartition(":")[2].replace("_", " "))
                for field in dataclasses.fields(found) if found else ():
                    symbols |= {field.name: symbol} if (symbol := field.metadata.get("symbol")) else {}
                    values |= {(field.name, value): word for value, word in field.metadata.get("words", {}).items()}
        return cls(symbols, values)

    def say(self, name: str, value: Any) -> str:
        """Return a field and its value as a reader says it."""
        if isinstance(value, str):
            return self.values.get((name, value), value.replace("_", " "))
        return f"{self.symbols.get(name, name)} = {value:g}"

    def say_all(self, keys: Sequence[str], point: Mapping[str, Any]) -> str:
        """Return some fields of a point with their values; what it lacks is left out."""
        return ", ".join(self.say(name, point[name]) for name in keys if name in point and pd.notna(point[name]))

    def rank(self, name: str) -> int:
        """Return which field to tell first: λ, what is told in words, what has a symbol, and sizes after these."""
        first = [name in LABELS, name in {field for field, _ in self.values} - {"model"}]
        return [*first, name in self.symbols and name not in ("n", "d"), name in self.symbols, True].index(True)


def points_of(tables: Sequence[Dataset]) -> pd.DataFrame:
    """Return what was configured, one line for each point of the sweeps; nan where a table has no such field."""
    return pd.concat([reducers.points(rows) for rows in tables], ignore_index=True).drop_duplicates(ignore_index=True)


def varying(points: pd.DataFrame) -> list[str]:
    """Return the fewest fields that tell the points apart, those with a symbol first."""
    keys: list[str] = []
    words = Words.of(points)
    for name in sorted(points, key=words.rank):
        if _count(points, [*keys, name]) > (_count(points, keys) if keys else 1):
            keys.append(name)
    return keys


def along_lambda(rows: Dataset, figure: str, curves: Sequence[str], *, besides: Sequence[str] = ()) -> pd.DataFrame:
    """Return what was configured, if that is a sweep of λ alone, and of a training whose law of late times is known."""
    require(rows, ("lam", *curves), "rows of a trajectory solver over λ")
    points = points_of([rows])
    others = [name for name in varying(points) if name not in {"lam", "d", "n", *besides}]
    if others:
        raise ValueError(f"{others[0]} varies in these rows; this figure draws a sweep of λ alone, so give one of them")
    if _count(points, ["lam", *(name for name in ("n", "d") if name in points)]) > _count(points, ["lam"]):
        raise ValueError("these rows have several sizes at one λ; this figure draws one N at each, so give one of them")
    require_own(rows, figure)
    strangers = [name for name in set(points["solver"]) if not _follows_gradient(name)]
    if strangers:
        known = ", ".join(name for name in plugins.names("solvers") if _follows_gradient(name))
        raise ValueError(f"these rows are of the solver {min(strangers)}; this figure draws one of: {known}")
    if len(set(points["lam"])) == 1:
        raise ValueError(f"these rows have one λ, {points['lam'].iloc[0]:g}; this figure draws a sweep of λ")
    return points


def _follows_gradient(solver: str) -> bool:
    return getattr(plug_in("solver", solver), "follows_gradient", False)


def _count(points: pd.DataFrame, keys: list[str]) -> int:
    return len(points.drop_duplicates(keys))
