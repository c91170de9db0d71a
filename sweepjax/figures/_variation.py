"""What differs between the rows of a figure, and how that is said."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from pyarrow.dataset import Dataset

from sweepjax import columns

SYMBOLS = {"lam": "λ", "solver": "", "loss": "", "sigma": "σ", "init_norm": "‖S₀‖", "init_bias": "b₀"}
SYMBOLS |= {
    "label_fraction": "r",
    "sigma_a": r"$\sigma_A$",
    "sigma_b": r"$\sigma_B$",
    "mu": "μ",
    "learning_rate": "η",
    "n": "N",
}
SYMBOLS |= {"b1": "β₁", "b2": "β₂"}
WORDS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "lion": "Lion"}
WORDS |= {"exponential": "exponential loss", "logistic": "cross entropy"}

GRADIENT = ("gradient_flow", "gradient_descent", "sgd")  # solvers that end at the limits of the theory


def configured(tables: Sequence[Dataset]) -> pd.DataFrame:
    """Return what was configured, one line for each point of the sweeps; nan where a table has no such field."""
    parts = []
    for rows in tables:
        names = [name for name in columns.configured(rows) if name not in columns.INDEX]
        parts.append(rows.to_table(columns=names).to_pandas().drop_duplicates())
    return pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True)


def varying(points: pd.DataFrame) -> list[str]:
    """Return the fewest fields that tell the points apart, those with a symbol first."""
    keys: list[str] = []
    for name in sorted(points, key=lambda name: list(SYMBOLS).index(name) if name in SYMBOLS else len(SYMBOLS)):
        if _count(points, [*keys, name]) > (_count(points, keys) if keys else 1):
            keys.append(name)
    return keys


def said(name: str, value: Any) -> str:
    """Return a field and its value as a reader says it."""
    if isinstance(value, str):
        return WORDS.get(value, value.replace("_", " "))
    return f"{SYMBOLS.get(name, name)} = {value:g}"


def all_said(keys: Sequence[str], point: Mapping[str, Any]) -> str:
    """Return some fields of a point with their values; what it lacks is left out."""
    return ", ".join(said(name, point[name]) for name in keys if name in point and pd.notna(point[name]))


def along_lambda(rows: Dataset, curves: Sequence[str], *, besides: Sequence[str] = ()) -> pd.DataFrame:
    """Return what was configured, if that is a sweep of λ alone, and of a training whose law of late times is known."""
    missing = [name for name in ("lam", *curves) if name not in rows.schema.names]
    if missing:
        raise ValueError(f"these rows have no {missing[0]}; this figure draws rows of a trajectory solver over λ")
    points = configured([rows])
    others = [name for name in varying(points) if name not in {"lam", "d", "n", *besides}]
    if others:
        raise ValueError(f"{others[0]} varies in these rows; this figure draws a sweep of λ alone, so give one of them")
    if not set(points["solver"]) <= set(GRADIENT) or set(points["model"]) != {"logistic"}:
        given = f"these rows are of {points['solver'].iloc[0]} on model {points['model'].iloc[0]}"
        raise ValueError(f"{given}; this figure draws model logistic by one of: {', '.join(GRADIENT)}")
    if len(set(points["lam"])) == 1:
        raise ValueError(f"these rows have one λ, {points['lam'].iloc[0]:g}; this figure draws a sweep of λ")
    return points


def _count(points: pd.DataFrame, keys: list[str]) -> int:
    return len(points.drop_duplicates(keys))
