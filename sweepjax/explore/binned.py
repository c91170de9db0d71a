"""What a page shows of some rows: at each point a histogram and the moments of each column, and mean curves."""

import math
from functools import partial, reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd
from pyarrow.dataset import Dataset

from sweepjax.columns import CLOCKS, INDEX, configured, curves, limits, measured
from sweepjax.reducers import Moments, Piece, Quantiles, State, fold, points
from sweepjax.reducers.mean import SMALLEST_SKETCH, Mean
from sweepjax.reducers.separable_fraction import probability

BINS, FEWEST = 40, 8
MOST_NUMBERS = 2_000_000  # of histograms and curves, on a page that opens at once
SKETCH = 1024
EDGES = 0.005  # of the draws, beyond the first and the last bin
LAW = "separable"  # the column whose mean is known at each n and d


def binned(rows: Dataset, title: str) -> dict[str, Any]:
    """Return what the page holds of rows of one set of columns, as JSON takes it.

    Raises:
        ValueError: there is nothing that was measured.
    """
    columns, lines = measured(rows), [name for name in curves(rows) if name not in CLOCKS]
    if not (columns or lines):
        raise ValueError(f"{title} holds nothing that was measured; run a sweep whose model or solver says something")
    every = points(rows)
    count = max(1, len(every))
    bins = max(FEWEST, min(BINS, MOST_NUMBERS // (count * max(1, len(columns)))))
    ranges = _ranges(rows, columns)
    groups, states = fold(rows, "", [*columns, "realization"], partial(_summarize, ranges, bins))
    axes = _axes(groups)
    return {
        "title": title,
        "axes": [{"name": name, "values": _plain(sorted(set(groups[name])))} for name in axes],
        "points": [_plain([line[name] for name in axes]) for line in groups.to_dict("records")],
        "fields": _plain(every.iloc[0].to_dict()),
        "varying": [{name: _one(line[name]) for name in groups.columns} for line in groups.to_dict("records")],
        "seeds": _seeds(rows),
        "rows": [state["rows"] for state in states],
        "realizations": [int(state["last"]) for state in states],
        "columns": [_column(name, ranges[name], bins, states) for name in columns],
        "theory": _theory(every, groups, columns),
        "curves": _curves(rows, axes, lines, len(groups)),
    }


def _seeds(rows: Dataset) -> list[int]:
    """List the seeds of the rows."""
    if "seed" not in rows.schema.names:
        return []
    return sorted(
        {seed for batch in rows.to_batches(columns=["seed"]) for seed in batch.column(0).unique().to_pylist()}
    )


def _axes(groups: pd.DataFrame) -> list[str]:
    """List what varies over the points; d says nothing new beside λ and n."""
    varying = [name for name in groups.columns if len(set(groups[name])) > 1]
    return [name for name in varying if not _follows(groups, name, varying)]


def _follows(groups: pd.DataFrame, name: str, varying: list[str]) -> bool:
    """Whether n or d follows from those of λ and n that vary and come first."""
    first = [other for other in ("lam", "n") if other in varying and other != name]
    return (
        name == "d"
        and bool(first)
        and len(groups.drop_duplicates([*first, name])) == len(groups.drop_duplicates(first))
    )


def _ranges(rows: Dataset, columns: list[str]) -> dict[str, tuple[float, float]]:
    """Return where the histograms of each column begin and end."""
    _, states = fold(rows, "model", columns, lambda piece: {name: _sketch(piece[name]) for name in columns})
    found = {}
    for name in columns:
        sketch: Quantiles = reduce(add, [state[name] for state in states])
        low, high = (sketch.quantile(fraction) for fraction in (EDGES, 1 - EDGES))
        if not (math.isfinite(low) and math.isfinite(high)):
            low, high = 0.0, 1.0
        found[name] = (low, high) if low < high else (low - 0.5, high + 0.5)
    return found


def _sketch(values: np.ma.MaskedArray) -> Quantiles:
    present = values.compressed()
    return Quantiles.of(present[np.isfinite(present)], SKETCH)


def _summarize(ranges: dict[str, tuple[float, float]], bins: int, piece: Piece) -> State:
    realization = piece["realization"]
    state: State = {"rows": len(realization), "last": _Last(float(realization.max()) + 1)}
    for name, (low, high) in ranges.items():
        present = piece[name].compressed()
        kept = present[np.isfinite(present)]
        counts, _ = np.histogram(np.clip(kept, low, high), bins, (low, high))
        state |= {
            f"counts {name}": counts,
            f"moments {name}": Moments.of(kept),
            f"sketch {name}": Quantiles.of(kept, 256),
        }
    return state


class _Last(float):
    """The largest of some numbers; adding takes the larger one."""

    def __add__(self, other: Any) -> "_Last":
        return _Last(max(self, other))


def _column(name: str, range_: tuple[float, float], bins: int, states: list[State]) -> dict[str, Any]:
    moments = [state[f"moments {name}"] for state in states]
    medians = [state[f"sketch {name}"].quantile(0.5) for state in states]
    return {
        "name": name,
        "low": _short(range_[0]),
        "high": _short(range_[1]),
        "bins": bins,
        "counts": [state[f"counts {name}"].tolist() for state in states],
        "kept": [each.count for each in moments],
        "mean": [_short(each.mean) if each.count else None for each in moments],
        "se": [_short(each.se) for each in moments],
        "median": [_short(median) for median in medians],
    }


def _theory(every: pd.DataFrame, groups: pd.DataFrame, columns: list[str]) -> dict[str, list[Any]]:
    """Return what columns tend to as n → ∞ at each point, and the law of `separable`, where the model says so."""
    keys = [name for name in groups.columns if name in every]
    firsts: dict[Any, Any] = {}
    for line in every.to_dict("records"):
        firsts.setdefault(tuple(line[key] for key in keys), line)
    lines = [firsts[tuple(line[key] for key in keys)] for line in groups.to_dict("records")]
    known = [limits(line) | ({LAW: probability(line)} if LAW in columns else {}) for line in lines]
    named = [name for name in columns if any(name in each for each in known)]
    return {name: [_short(each.get(name, math.nan)) for each in known] for name in named}


def _curves(rows: Dataset, axes: list[str], names: list[str], count: int) -> dict[str, Any]:
    """Return the mean of each curve at each recorded time, a line a point."""
    if not names:
        return {}
    by = ",".join([name for name in configured(rows) if name not in INDEX])
    table = Mean(column=",".join(names), quantiles="", sketch=SMALLEST_SKETCH, by=by)(rows)
    keys = list(table.columns[: table.columns.get_loc("column")])
    found: dict[str, Any] = {"names": names}
    groups = [group for _, group in table.groupby(keys, sort=True, dropna=False)]
    found["points"] = [_plain([group[name].iloc[0] for name in axes]) for group in groups]
    step = max(1, len(names) * sum(map(len, groups)) // max(1, len(names)) // MOST_NUMBERS)
    one = [{name: group[group["column"] == name].iloc[::step] for name in names} for group in groups]
    clock = "step" if "step" in table else "time"
    found["clock"] = clock
    found["times"] = [_shorts(each[names[0]][clock]) for each in one]
    found["mean"] = [[_shorts(each[name]["mean"]) for name in names] for each in one]
    found["se"] = [[_shorts(each[name]["se"]) for name in names] for each in one]
    return found


def _shorts(values: Any) -> list[float | None]:
    return [_short(value) for value in values]


def _short(value: float) -> float | None:
    """Return a number with six digits, or nothing where there is none."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _one(each) for key, each in value.items()}
    return [_one(each) for each in value]


def _one(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
