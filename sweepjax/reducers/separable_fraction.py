"""The fraction of separable draws, held against Wendel's exact probability."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyarrow.dataset import Dataset
from scipy.special import chdtrc

from sweepjax.columns import model_at, plug_in, plug_ins
from sweepjax.reducers._intervals import wilson
from sweepjax.reducers._stream import Judgement, Piece, State, checked, fold, points, split
from sweepjax.theory.separability import inseparable_probability, separable_probability

Array = NDArray[np.float64]
UNLIKELY = 1e-3
WENDEL, LAW, ABILITY = "wendel", "law", "separable_probability"
LAWS = {WENDEL: "Wendel's law", LAW: "the law of their model"}


@dataclass(frozen=True)
class SeparableFraction:
    """Separable fraction with its Wilson interval, Wendel's value and the z score: one line a group.

    A model whose draws are not symmetric may know their law (`separable_probability`), which is then `law` instead.

    `fraction_low` and `fraction_high` enclose the fraction at 95 % if every decision stands;
    `bound_low` and `bound_high` are what it would be had every uncertified row gone one way or the other.

    The table's `attrs` hold the test over the whole grid: chi_square, chi_square_dof, chi_square_p. Groups
    where fewer than five draws of either kind are expected are pooled, the mostly inseparable with each
    other and the mostly separable likewise; a pool that still expects fewer than five is left out, and its rows
    are counted in chi_square_left_out. A pair (n, d) enters once, since rows that differ only in σ or the loss
    share their datasets. For the same reason the intervals lie when such rows are grouped together.

    Source:
        Wilson (1927), J. Am. Stat. Assoc. 22, 209; Wendel (1962), Math. Scand. 11, 109.
    """

    by: str = ""  # separated by commas, n and d are added; empty: every configured field that varies
    glance: ClassVar[dict[str, str]] = {"uncertified": "uncertified"}

    def __call__(self, rows: Dataset) -> pd.DataFrame:
        """Return keys, rows, separable, uncertified, fraction and its bounds, wendel, z."""
        by = ",".join(dict.fromkeys([*split(self.by), "n", "d"])) if self.by else ""
        columns = checked(rows, ["separable", "certified", "n", "d"])[:2]
        groups, states = fold(rows, by, columns, _count)
        table = pd.concat([groups, pd.DataFrame(states)], axis="columns")
        total, separable = (table[name].to_numpy(np.float64) for name in ("rows", "separable"))
        low, high = wilson(separable, total)
        name, (expected, missing) = _law(rows, table)
        expected, missing = total * expected, total * missing
        table = table.drop(columns=["sure", "possible"]).assign(
            fraction=separable / total,
            fraction_low=low,
            fraction_high=high,
            bound_low=table["sure"] / total,
            bound_high=table["possible"] / total,
            **{name: expected / total},
            z=z_score(separable, expected, missing),
        )
        shared = ("n", "d", "seed") if name == WENDEL else table.columns[: table.columns.get_loc("rows")]
        once = ~table.duplicated([each for each in shared if each in table]).to_numpy()
        table.attrs.update(chi_square(separable[once], expected[once], missing[once]))
        return table

    @staticmethod
    def judge(rows: Dataset, table: pd.DataFrame) -> Judgement | None:
        """Say whether the draws are as frequent as they must be; nothing of models whose draws are not symmetric."""
        test, claim = table.attrs, f"Separable draws are as frequent as {LAWS[WENDEL if WENDEL in table else LAW]} says"
        known = plug_ins(rows, "model").values()
        if not all(getattr(model, "is_symmetric", False) or hasattr(model, ABILITY) for model in known):
            return None
        if not test["chi_square_dof"]:
            return Judgement(claim, None, ["too few draws of the rarer kind are expected for a test"])
        chi = f"χ² = {test['chi_square']:.1f} in {test['chi_square_dof']} bins, p = {test['chi_square_p']:.2g}"
        furthest = f"largest |z| of {len(table)} points: {table['z'].abs().max():.1f}"
        return Judgement(claim, test["chi_square_p"] >= UNLIKELY, [chi, furthest])


def probability(point: Mapping[str, Any]) -> float:
    """Return the probability that a draw of these fields is separable: its model's, or Wendel's; nan if unknown."""
    if model := model_at(point, ABILITY):
        return model.separable_probability()
    symmetric = getattr(plug_in("model", point["model"]), "is_symmetric", False)
    return float(separable_probability(n=point["n"], d=point["d"])) if symmetric else math.nan


def _law(rows: Dataset, table: pd.DataFrame) -> tuple[str, tuple[Array, Array]]:
    """Return the probability that a draw of each group is separable, and its complement: the model's, or Wendel's."""
    every = points(rows)
    models = [model_at(line, ABILITY) for line in every.to_dict("records")]
    if not all(models):
        point = {name: table[name].to_numpy() for name in ("n", "d")}
        return WENDEL, (np.asarray(separable_probability(**point)), np.asarray(inseparable_probability(**point)))
    every = every.assign(**{LAW: [model.separable_probability() for model in models]})
    keys = [name for name in every.columns if name in table]
    groups = every.groupby(keys, dropna=False, sort=False)[LAW].agg(["min", "max"]).reset_index()
    if np.any(groups["max"].to_numpy() - groups["min"].to_numpy() > 1e-12):
        raise ValueError("a group has draws of different laws; group by every field that varies")
    law = table[keys].merge(groups, how="left", on=keys)["min"].to_numpy(np.float64)
    return LAW, (law, 1 - law)


def z_score(separable: Array, expected: Array, missing: Array) -> Array:
    """Return the excess over the `expected` number in its s.d.; infinite if the impossible happened.

    `missing` is the expected number of inseparable draws, given apart so that it keeps its digits.
    """
    excess, deviation = _excess(separable, expected, missing), np.sqrt(_variance(expected, missing))
    certain = np.where(excess == 0, 0.0, np.copysign(np.inf, excess))
    return np.where(deviation > 0, excess / np.where(deviation > 0, deviation, 1.0), certain)


def chi_square(separable: Array, expected: Array, missing: Array) -> dict[str, float]:
    """Return the sum of squared z scores, pooled as the class says, with its tail probability."""
    excess, variance = _excess(separable, expected, missing), _variance(expected, missing)
    enough = np.minimum(expected, missing) >= 5
    pools = [~enough & (expected < missing), ~enough & (expected >= missing)]
    pools = [pool for pool in pools if min(expected[pool].sum(), missing[pool].sum()) >= 5]
    pooled = sum(excess[pool].sum() ** 2 / variance[pool].sum() for pool in pools)
    total, dof = float(np.sum(excess[enough] ** 2 / variance[enough]) + pooled), int(enough.sum()) + len(pools)
    used = enough | np.any([*pools, np.zeros_like(enough)], axis=0)
    p_value, left_out = float(chdtrc(dof, total)) if dof else np.nan, int((expected + missing)[~used].sum())
    return {"chi_square": total, "chi_square_dof": dof, "chi_square_p": p_value, "chi_square_left_out": left_out}


def _excess(separable: Array, expected: Array, missing: Array) -> Array:
    inseparable = np.round(expected + missing) - separable
    return np.where(expected < missing, separable - expected, missing - inseparable)


def _variance(expected: Array, missing: Array) -> Array:
    return expected * missing / (expected + missing)


def _count(piece: Piece) -> State:
    separable, certified = (piece[name].filled(0) == 1 for name in ("separable", "certified"))
    return {
        "rows": separable.size,
        "separable": int(separable.sum()),
        "uncertified": int((~certified).sum()),
        "sure": int((separable & certified).sum()),
        "possible": int((separable | ~certified).sum()),
    }
