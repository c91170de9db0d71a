"""Directories as `run` leaves them, with numbers near enough to theory, made without computing anything."""

import numpy as np
from scipy.stats import binom, norm

from sweepjax.columns import labels
from sweepjax.store.store import Store
from sweepjax.sweep.sweep import Sweep
from sweepjax.theory.margin import margin
from sweepjax.theory.s_inf import loss_inf, s_inf

LIMIT = Sweep().replaced(n=40, lam="0.3:0.7:0.1", realizations=40)
CURVES = Sweep().replaced(solver="gradient_flow", n=40, lam="0.4,0.6", realizations=12, until=1e6, record="20")
CHUNK_ROWS, MACHINE = 16, {"device": "cpu", "devices": "2"}


def limit_run(path, *, stored=None, uncertified=0):
    """A run of `limit`: the first so many chunks of it, with so many draws of each point uncertified."""
    return _stored(path, LIMIT, lambda columns: _limit(columns, uncertified), stored)


def curves_run(path):
    """A run of a trajectory solver in which every other draw generalizes within the record."""
    return _stored(path, CURVES, _curves)


def _stored(path, sweep, measured, count=None):
    store = Store(path, sweep, CHUNK_ROWS, MACHINE).create()
    for chunk in list(sweep.chunks(CHUNK_ROWS))[:count]:
        store.write(chunk, labels(chunk) | measured(labels(chunk)))
    return path


def _spread(realization, step):
    """Numbers between 0 and 1, the same 40 in another order for every step."""
    return (step * realization % 40 + 0.5) / 40


def _limit(columns, uncertified):
    realization, lam = columns["realization"], columns["lam"]
    separable = _spread(realization, 7) < binom.cdf(columns["d"] - 1, columns["n"] - 1, 0.5)
    noise = 1 + 0.05 * norm.ppf(_spread(realization, 13))
    below, above = np.minimum(lam, 0.45), np.maximum(lam, 0.55)
    inside = {"s_norm": s_inf(below), "loss_inf": loss_inf(below), "residual": 1e-13}
    inside |= {"positive_fraction": 0.2, "positive_mean": 0.2, "negative_mean": -0.6}
    outside = {"margin": margin(above), "margin_gap": 1e-9}
    return (
        {"separable": separable, "certified": realization >= uncertified}
        | {name: np.ma.MaskedArray(value * noise, mask=separable) for name, value in inside.items()}
        | {name: np.ma.MaskedArray(value * noise, mask=~separable) for name, value in outside.items()}
    )


def _curves(columns):
    rows, t = len(columns["realization"]), np.array(CURVES.times)
    late = np.where(columns["realization"] % 2, 1e3, 1e9)[:, None]
    fresh, train = (0.5 + 0.5 * t / (t + when) for when in (late, np.ones((rows, 1))))
    curves = {"time": t, "train_loss": 1 / (1 + t), "train_accuracy": train}
    curves |= {"test_loss": 2 - fresh, "test_accuracy": fresh, "s_norm": np.log1p(t), "b": -np.log1p(t)}
    filled = {name: np.broadcast_to(curve, (rows, len(t))).copy() for name, curve in curves.items()}
    return filled | {"steps": np.full(rows, 100), "converged": np.full(rows, True)}
