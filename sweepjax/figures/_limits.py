"""The limits of datasets, found by solver `limit`, for trainings of the same datasets."""

import pandas as pd
from pyarrow.dataset import Dataset

from sweepjax.columns import model_fields
from sweepjax.reducers import points

DATASET = ["n", "d", "seed", "realization"]
LIMITS = ["separable", "s_norm", "margin", "loss_inf"]
FREE = ("sigma", "loss", "init_norm", "init_bias")  # fields of a model that the limit at σ = 1 does not depend on


def limits(rows: Dataset, *trainings: Dataset) -> pd.DataFrame:
    """Return the limits by dataset, lengths at σ = 1; nan where a dataset has none.

    They are of `rows`, which are to be of the same law as `trainings`: two laws of one size share their random numbers.
    """
    needed = [*DATASET, "sigma", *LIMITS]
    missing = [name for name in needed if name not in rows.schema.names]
    if missing:
        raise ValueError(f"the second rows have no {missing[0]}; give rows of the solver limit, after the trainings")
    _require_one_law(rows, *trainings)
    table = rows.to_table(columns=needed).to_pandas().drop_duplicates(DATASET)
    scaled = table.assign(s_norm=table["s_norm"] * table["sigma"], margin=table["margin"] / table["sigma"])
    return scaled[[*DATASET, *LIMITS]].rename(columns={"s_norm": "s_inf"})


def with_limits(table: pd.DataFrame, rows: Dataset, trainings: Dataset) -> pd.DataFrame:
    """Return the lines of a table of `trainings` whose dataset has a limit among `rows`, with that limit.

    It is `separable`, `s_inf` and `margin` at σ = 1, and `loss_inf`.
    """
    joined = table.merge(limits(rows, trainings), on=DATASET)
    if joined.empty:
        raise ValueError("no dataset is in both; give rows of the solver limit with the same n, d and seed")
    return joined


def _require_one_law(rows: Dataset, *trainings: Dataset) -> None:
    """Refuse rows of several models, or of fields that make other datasets of the same random numbers."""
    every = [points(each) for each in (rows, *trainings)]
    for name in ("model", *(name for name in model_fields(rows) if name not in (*FREE, *DATASET))):
        found = [each[name] for each in every if name in each]
        values = pd.concat(found).drop_duplicates() if found else []
        if len(values) > 1:
            told = ", ".join(map(str, values))
            raise ValueError(f"{name} is {told} in these rows; give trainings, and limits of the same {name}")
