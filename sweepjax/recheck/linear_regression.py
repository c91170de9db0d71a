"""Linear students found again: the optimum by least squares, accuracies from the losses beside them."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.special import gammainc

from sweepjax.recheck._contradiction import Contradiction

AGREEMENT = 1e-5
ZERO = 1e-20  # a loss that is rounding


def contradictions(row: Mapping[str, Any], model: Any, data: Any) -> Iterator[Contradiction]:
    """Yield losses of the optimum that least squares finds otherwise, and accuracies that are not those of their loss.

    Without decay and with fewer samples than features the optimum depends on the start, and is left alone.
    """
    x, teacher = np.asarray(data.x, dtype=np.float64), np.asarray(data.teacher)
    n, d = x.shape
    if d <= n or row["l2"] > 0:
        # Decay is samples of length √(nγ/2) along every axis, whose label is 0.
        rows = np.vstack([x, np.sqrt(0.5 * n * row["l2"]) * np.eye(d)])
        labels = np.vstack([x @ teacher, np.zeros_like(teacher)])
        end = np.linalg.lstsq(rows, labels, rcond=None)[0] - teacher
        found = {"train_loss_inf": np.mean((x @ end) ** 2), "test_loss_inf": np.sum(end**2) / teacher.shape[1]}
        for name, loss in found.items():
            if not abs(row[name] - loss) <= AGREEMENT * loss + ZERO:
                yield Contradiction(name, row[name], float(loss))
    half = 0.5 * teacher.shape[1]
    for place, (loss, accuracy) in enumerate(zip(row["test_loss"], row["test_accuracy"], strict=True)):
        if loss is None or accuracy is None:
            continue
        right = float(gammainc(half, half * row["tolerance"] / max(loss, 1e-300)))
        if not abs(accuracy - right) <= AGREEMENT:
            yield Contradiction(f"test_accuracy[{place}]", accuracy, right)
