"""Matrix completion trained again in its 2d² parameters, with singular values for the nuclear norm."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy import ndarray

from sweepjax.recheck._contradiction import Contradiction
from sweepjax.recheck._paths import AGREEMENT, states, unlike


def contradictions(row: Mapping[str, Any], model: Any, data: Any) -> Iterator[Contradiction]:
    """Yield what descent and flow in NumPy find otherwise, and a plateau that is not that of the kernel."""
    x, seen = np.asarray(data.x, dtype=np.float64), np.asarray(data.observed)
    d, many = len(x), int(seen.sum())
    plateau = sum(x[i, j] ** 2 for i, j in zip(*np.nonzero(~seen), strict=True) if not seen[j, i]) / max(
        d * d - many, 1
    )
    if not abs(row["kernel_plateau"] - plateau) <= AGREEMENT * plateau:
        yield Contradiction("kernel_plateau", row["kernel_plateau"], float(plateau))

    def gradient(y: ndarray) -> ndarray:
        u, v = y.reshape(2, d, d)
        e = np.where(seen, u @ u.T - v @ v.T - x, 0) * (2 / many)
        return np.concatenate([((e + e.T) @ u).ravel(), (-(e + e.T) @ v).ravel()]) + row["l2"] * y

    def columns(y: ndarray) -> dict[str, float]:
        u, v = y.reshape(2, d, d)
        w = u @ u.T - v @ v.T
        error = (w - x) ** 2
        return {
            "train_loss": float(error[seen].mean()),
            "test_loss": float(error[~seen].sum() / max(d * d - many, 1)),
            "nuclear_norm": float(np.linalg.svd(w, compute_uv=False).sum()),
        }

    start = row["alpha"] * np.concatenate([np.eye(d).ravel()] * 2)
    yield from unlike(row, ((place, columns(y)) for place, y in states(row, gradient, start, 8.0 * d**3)))
