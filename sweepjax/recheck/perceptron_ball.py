"""The perceptron on balls found again: its minimum by coordinate descent, which says who generalizes."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy import ndarray

from sweepjax.recheck._contradiction import Contradiction

SWEEPS, STILL = 100_000, 1e-14
DOUBT = 1e-9  # of h = 1, which is too close to decide


def contradictions(row: Mapping[str, Any], model: Any, data: Any) -> Iterator[Contradiction]:
    """Yield a claim about the end of training that the minimum contradicts.

    Without penalties and with fewer samples than dimensions the minimum depends on the start, and is left alone; so is
    a row that claims nothing, since its walk was cut off.
    """
    x, y = np.asarray(data.x), np.asarray(data.y)
    decided = row["generalizes"] is not None
    if decided and (row["l1"] > 0 or row["l2"] > 0 or x.shape[0] >= x.shape[1]):
        w = minimum(x, y, row)
        ahead, size = row["epsilon"] * w[0], float(np.linalg.norm(w))
        doubtful = abs(ahead - size) <= DOUBT * size and np.count_nonzero(w) > 1
        if not doubtful and row["generalizes"] != bool(ahead >= size > 0):
            yield Contradiction("generalizes", row["generalizes"], bool(ahead >= size > 0))
    if row["t_test"] is not None and row["t_train"] is None:
        yield Contradiction("t_train", None, f"at most {row['t_test']}")


def minimum(x: ndarray, y: ndarray, row: Mapping[str, Any]) -> ndarray:
    """Return the weights of the least training loss, one coordinate after the other."""
    hessian = x.T @ x / len(y) + row["l2"] * np.eye(x.shape[1])
    pull, w = y @ x / len(y), np.zeros(x.shape[1])
    if row["l1"] == 0:
        return np.linalg.solve(hessian, pull)
    for _ in range(SWEEPS):
        before = w.copy()
        for k in range(len(w)):
            rest = pull[k] - hessian[k] @ w + hessian[k, k] * w[k]
            w[k] = np.sign(rest) * max(abs(rest) - row["l1"], 0.0) / hessian[k, k]
        if np.max(np.abs(w - before)) <= STILL:
            break
    return w
