"""The dataset of a row, drawn again."""

from typing import Any

import jax
import numpy as np

from sweepjax.engine.devices import devices
from sweepjax.engine.drawing import drawn
from sweepjax.engine.rows import model_of
from sweepjax.engine.settings import settled
from sweepjax.keys import realization_keys


def dataset(row: Any) -> Any:
    """Draw the dataset of a row again.

    Args:
        row: anything with the columns of a row as items: a line of a DataFrame, or a dict.

    Returns:
        What the model's `sample` returns, in its own precision: of `logistic` and its relatives a tuple with the
        samples `x` [n d], whose deviation is σ.

    Raises:
        ValueError: columns that the dataset depends on are missing.
    """
    devices("")
    model = model_of(row)
    with settled():
        keys = realization_keys(model, np.uint32(row["seed"]), np.uint32(row["realization"]))
        return jax.jit(drawn)(model, keys.data, True)
