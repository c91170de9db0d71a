"""How close trained networks end to the largest L1 margin, which a linear program finds: OUT.csv DIR.

The rows need --observe predictor. A line a row: cosines of the first and last predictor that is not 0 with the
directions of the largest L1 and L2 margin, the share of the largest L1 margin that the last one has, and the accuracy
on fresh inputs of the largest L1 margin, the largest L2 margin and the last predictor.
"""

import sys

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import sweepjax as sj
from sweepjax.recheck.diagonal_network import largest_l1_margin

FRESH = 20_000


def line(row: pd.Series) -> dict[str, float]:
    """Return what the predictors of one row have in common with the largest margins of its dataset."""
    data = sj.dataset(row)
    x, y, teacher, widest = (np.asarray(leaf, np.float64) for leaf in (data.x, data.y, data.teacher, data.margin))
    sparse, largest = largest_l1_margin(x * y[:, None])
    path = np.stack(row["predictor"])
    path = path[np.any(path != 0, axis=1)]
    fresh = np.sign(np.random.default_rng(row["realization"]).standard_normal((FRESH, teacher.size)))
    return {
        "realization": row["realization"],
        "time_first": row["time"][-len(path)],
        "time_last": row["time"][-1],
        **{f"cosine_l1_{name}": cosine(w, sparse) for name, w in (("first", path[0]), ("last", path[-1]))},
        **{f"cosine_l2_{name}": cosine(w, widest) for name, w in (("first", path[0]), ("last", path[-1]))},
        "share_of_l1_margin": row["margin_l1"][-1] / largest,
        **{f"accuracy_{name}": accuracy(fresh, teacher, w) for name, w in (("l1", sparse), ("l2", widest))},
        "accuracy_last": accuracy(fresh, teacher, path[-1]),
    }


def cosine(a: NDArray, b: NDArray) -> float:
    """Return the cosine of two directions."""
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def accuracy(x: NDArray, teacher: NDArray, w: NDArray) -> float:
    """Return the share of inputs that w classifies as the teacher does."""
    return float(np.mean((x @ w) * (x @ teacher) > 0))


if __name__ == "__main__":
    out, directory = sys.argv[1:]
    rows = sj.read(directory).sort_values("realization")
    pd.DataFrame([line(row) for _, row in rows.iterrows()]).to_csv(out, index=False, float_format="%.6g")
