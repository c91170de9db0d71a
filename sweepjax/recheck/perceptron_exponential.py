"""The bias on exponential inputs found again: the minimum by a search, times by small steps of the flow."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy import ndarray

from sweepjax.recheck._contradiction import Contradiction

AGREEMENT = 1e-5  # of the bias at the minimum
STEP, LAST = 1e-3, 30.0  # of the flow in small steps
HALVINGS = 100  # of the search, or nearly
LATE = 20 * STEP  # by how much its times may be off


def contradictions(row: Mapping[str, Any], model: Any, data: Any) -> Iterator[Contradiction]:
    """Yield facts that the search and the small steps find otherwise; not those too close to decide."""
    x, y = np.asarray(data.x), np.asarray(data.y)
    b = minimum(x, y, row)
    if not abs(row["b_inf"] - b) <= AGREEMENT:
        yield Contradiction("b_inf", row["b_inf"], b)
    inside = abs(b) < row["epsilon"]
    if abs(abs(b) - row["epsilon"]) > AGREEMENT and row["epsilon"] > 0 and row["generalizes"] != inside:
        yield Contradiction("generalizes", row["generalizes"], bool(inside))
    for name, time in times(x, y, row).items():
        stored = row[name]
        if stored is not None and stored < LAST - 1 and not abs(stored - time) <= LATE:
            yield Contradiction(name, stored, time)


def minimum(x: ndarray, y: ndarray, row: Mapping[str, Any]) -> float:
    """Return the bias of the least training loss."""

    def loss(b: float) -> float:
        return 0.5 * float(np.mean((x - b - y) ** 2)) + 0.5 * row["l2"] * b * b + row["l1"] * abs(b)

    high = 1 + float(np.max(np.abs(x)))
    low = -high
    for _ in range(HALVINGS):
        one, other = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, other) if loss(one) < loss(other) else (one, high)
    found = (low + high) / 2
    return 0.0 if loss(0.0) <= loss(found) else found


def times(x: ndarray, y: ndarray, row: Mapping[str, Any]) -> dict[str, float]:
    """Return the last times at which anything is wrong, on the samples and on fresh inputs."""
    b, low, high = row["init_bias"], np.max(x[y < 0]), np.min(x[y > 0])
    last = {"t_train": 0.0, "t_test": 0.0}
    for k in range(int(LAST / STEP)):
        if not low < b < high:
            last["t_train"] = (k + 1) * STEP
        if abs(b) > row["epsilon"]:
            last["t_test"] = (k + 1) * STEP
        b = b + STEP * (np.mean(x) - (1 + row["l2"]) * b)
        b = np.sign(b) * max(abs(b) - STEP * row["l1"], 0.0)
    return last
