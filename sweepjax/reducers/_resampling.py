"""Quantiles and fractions of some values, and what they are of samples drawn from these values with replacement."""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Sampled(NamedTuple):
    """Numbers of one point, [k], and of its resampled values, [b k]."""

    values: Array
    samples: Array


def quantiles(values: Array, fractions: Array, draws: int, rng: Generator) -> Sampled:
    """Return quantiles that are unbiased in the median, without drawing whole samples.

    The j-th smallest of R values drawn with replacement is the ⌈R u⌉-th smallest of them, u the j-th smallest of R
    uniform numbers; the gaps between chosen ones of these are gamma variates over their sum.

    Source:
        Hyndman, Fan (1996), Am. Stat. 50, 361, number 8; Devroye, Non-Uniform Random Variate Generation, ch. V.3.
    """
    ordered, count = np.sort(values), len(values)
    place = np.clip((count + 1 / 3) * fractions + 1 / 3, 1, count)
    low, high = np.floor(place).astype(int), np.ceil(place).astype(int)
    ranks = np.unique(np.concatenate([low, high]))
    gaps = np.cumsum(rng.gamma(np.diff([0, *ranks, count + 1]), size=(draws, len(ranks) + 1)), axis=1)
    chosen = np.clip(np.ceil(count * gaps[:, :-1] / gaps[:, -1:]).astype(int), 1, count) - 1
    places = np.searchsorted(ranks, low), np.searchsorted(ranks, high)
    every = np.vstack([ordered[ranks - 1], ordered[chosen]])
    below, above, part = every[:, places[0]], every[:, places[1]], place - low
    with np.errstate(invalid="ignore"):
        between = np.where(part > 0, below + (above - below) * part, below)
    return Sampled(between[0], between[1:])


def log_odds(values: Array, draws: int, rng: Generator) -> Sampled:
    """Return the logarithm of the odds of truth values, with half a success and half a failure added."""
    count, true = len(values), float(np.sum(values))
    drawn = np.concatenate([[true], rng.binomial(count, true / count, size=draws)])
    odds = np.log((drawn + 0.5) / (count - drawn + 0.5))[:, None]
    return Sampled(odds[0], odds[1:])
