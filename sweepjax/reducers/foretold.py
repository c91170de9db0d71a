"""What theory says beforehand of each point, beside what the rows came to."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyarrow.dataset import Dataset

from sweepjax.columns import CLOCKS, curves, measured, model_at, model_fields, plug_ins
from sweepjax.reducers._stream import POINT, ends, points, split
from sweepjax.reducers.mean import Mean

MOST = 500  # points
NEVER = "cannot generalize"
STATISTICS = ("column", "mean", "se", "kept")


@dataclass(frozen=True)
class Foretold:
    """Means of what a model knows beforehand, those means by theory, and z scores: one line a point and quantity.

    A curve counts with its last recorded value, which need not be its limit yet. `verdict` says of a point that no draw
    of it can generalize. A large z need not be a fault: for some models theory is of n → ∞.
    """

    by: str = ""  # separated by commas; empty: every configured field that varies

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, quantity, theory, mean, se, z, rows, verdict."""
        if not any(hasattr(model, "limit_known") for model in plug_ins(rows, "model").values()):
            raise ValueError("the model of these rows knows nothing of them beforehand")
        every = points(rows)
        keys = split(self.by) or [str(name) for name in every if len(set(every[name])) > 1 and name not in CLOCKS]
        _require_one_value(rows, every, keys)
        first = every.drop_duplicates(keys) if keys else every.head(1)
        if len(first) > MOST:
            raise ValueError(f"{len(first)} points are too many to ask theory for; give at most {MOST}, or --by")
        lines = [line for point in first.to_dict("records") for line in _lines(point, keys)]
        table = pd.DataFrame(lines, columns=pd.Index([*keys, "quantity", "theory", "verdict"]))
        means = _means(rows, sorted(set(table["quantity"])), keys)
        table = table.merge(means, how="left", on=[*keys, "quantity"])
        table["z"] = (table["mean"] - table["theory"]) / table["se"].where(table["se"] > 0)
        return table.filter(items=[*keys, "quantity", "theory", "mean", "se", "z", "rows", "verdict"])


def _require_one_value(rows: Dataset, every: pd.DataFrame, keys: list[str]) -> None:
    """Refuse points in which a field of the model varies: theory would be of one value, and rows of all."""
    fields = {"model", *POINT, *model_fields(rows)}
    for name in (name for name in every if name in fields and name not in keys):
        if len(every.drop_duplicates([*keys, name])) > (len(every.drop_duplicates(keys)) if keys else 1):
            raise ValueError(f"{name} varies within a point, and theory is of one value of it; name it in --by, too")


def _lines(point: dict[Any, Any], keys: list[str]) -> list[dict[str, Any]]:
    model = model_at(point, "limit_known")
    limits, place = model.limit_known() if model else {}, {name: point[name] for name in keys}
    verdict = NEVER if limits.get("generalizes", 1) == 0 else ""
    return [place | {"quantity": name, "theory": value, "verdict": verdict} for name, value in limits.items()]


def _means(rows: Dataset, names: list[str], keys: list[str]) -> pd.DataFrame:
    """Return the mean of each quantity, its standard error and how many rows have it."""
    tables = []
    for source, able in ((rows, measured(rows)), (ends(rows), curves(rows))):
        if wanted := [name for name in names if name in able]:
            table = Mean(column=",".join(wanted), by=",".join(keys), quantiles="")(source)
            named = table.filter(items=[*keys, *STATISTICS]).rename(columns={"column": "quantity", "kept": "rows"})
            tables.append(named)
    empty = pd.DataFrame(columns=pd.Index([*keys, "quantity", "mean", "se", "rows"]), dtype=np.float64)
    found = pd.concat(tables) if tables else empty
    return found.filter(items=[*keys, "quantity", "mean", "se", "rows"])
