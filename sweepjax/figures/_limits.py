"""The limits of datasets, found by solver `limit`, for trainings of the same datasets."""

import pandas as pd
from pyarrow.dataset import Dataset

DATASET = ["n", "d", "seed", "realization"]
LIMITS = ["separable", "s_norm", "margin", "loss_inf"]


def limits(rows: Dataset) -> pd.DataFrame:
    """Return the limits by dataset, lengths at σ = 1; nan where a dataset has none."""
    needed = [*DATASET, "sigma", *LIMITS]
    missing = [name for name in needed if name not in rows.schema.names]
    if missing:
        raise ValueError(f"the second rows have no {missing[0]}; give rows of the solver limit, after the trainings")
    table = rows.to_table(columns=needed).to_pandas().drop_duplicates(DATASET)
    scaled = table.assign(s_norm=table["s_norm"] * table["sigma"], margin=table["margin"] / table["sigma"])
    return scaled[[*DATASET, *LIMITS]].rename(columns={"s_norm": "s_inf"})


def with_limits(trainings: pd.DataFrame, rows: Dataset) -> pd.DataFrame:
    """Return the trainings whose dataset has a limit among `rows`, with it: `s_inf`, `margin` at σ = 1, `loss_inf`."""
    joined = trainings.merge(limits(rows), on=DATASET)
    if joined.empty:
        raise ValueError("no dataset is in both; give rows of the solver limit with the same n, d and seed")
    return joined
