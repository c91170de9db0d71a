import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax.reducers.against_theory import AgainstTheory
from sweepjax.theory.margin import margin
from sweepjax.theory.s_inf import loss_inf, s_inf

SIGMA = 2.0


def limits(lam: float, *, separable: int, count: int = 101, model: str = "logistic") -> pds.Dataset:
    """Rows of `limit` at one point: the separable draws first, the others above the theory in steps of a per cent."""
    step = 1 + 0.01 * np.arange(count)
    split = np.arange(count) < separable
    columns = {
        "s_norm": np.where(split, np.nan, step * s_inf(0.4, sigma=SIGMA)),
        "loss_inf": np.where(split, np.nan, step * loss_inf(0.4)),
        "margin": np.where(split, step * margin(0.6, sigma=SIGMA), np.nan),
    }
    keys = {"model": model, "solver": "limit", "lam": lam, "n": 400, "d": round(400 * lam), "sigma": SIGMA, "seed": 0}
    return pds.dataset(pa.Table.from_pandas(pd.DataFrame(keys | columns), preserve_index=False))


def reduced(lam: float, quantity: str, *, separable: int) -> pd.Series:
    return AgainstTheory()(limits(lam, separable=separable)).set_index("quantity").loc[quantity]


@pytest.mark.parametrize(("lam", "found"), [(0.4, ["s_norm", "loss_inf"]), (0.5, []), (0.6, ["margin"])])
def test_a_quantity_is_held_against_theory_on_its_side_of_the_transition(lam, found):
    assert list(AgainstTheory()(limits(lam, separable=50))["quantity"]) == found


def test_a_median_of_every_draw_takes_the_others_for_what_they_tend_to():
    # The ranks of 101 draws: separable ones have an infinite ‖S_∞‖ and a loss of 0, inseparable ones no margin.
    assert reduced(0.4, "s_norm", separable=20)["median"] == pytest.approx(1.7 * s_inf(0.4, sigma=SIGMA))
    assert reduced(0.4, "loss_inf", separable=20)["median"] == pytest.approx(1.5 * loss_inf(0.4))
    assert reduced(0.6, "margin", separable=81)["median"] == pytest.approx(1.3 * margin(0.6, sigma=SIGMA))


def test_the_standard_error_is_that_of_the_interval_and_z_counts_them():
    line = reduced(0.6, "margin", separable=101)
    assert line["theory"] == margin(0.6, sigma=SIGMA)
    assert line["se"] == pytest.approx((line["median_high"] - line["median_low"]) / 3.92, rel=1e-4)
    assert line["z"] == pytest.approx((line["median"] - line["theory"]) / line["se"])


def test_a_median_that_is_not_bounded_has_no_z():
    line = reduced(0.4, "s_norm", separable=48)
    assert math.isfinite(line["median"])
    assert line["median_high"] == math.inf
    assert math.isnan(line["z"])


def test_rows_of_another_model_are_refused_by_name():
    with pytest.raises(ValueError, match="no exact limits are known of the model symmetric"):
        AgainstTheory()(limits(0.4, separable=0, model="symmetric"))


def test_a_value_that_is_not_a_number_is_left_out_and_counted():
    table = limits(0.4, separable=0).to_table()
    column = table["s_norm"].to_pylist()
    spoilt = pa.array([math.nan, math.nan, *column[2:]], from_pandas=False)
    rows = pds.dataset(table.set_column(table.schema.get_field_index("s_norm"), "s_norm", spoilt))
    line = AgainstTheory()(rows).set_index("quantity").loc["s_norm"]
    assert (line["rows"], line["left_out"]) == (101, 2)
    assert line["median"] == pytest.approx(1.51 * s_inf(0.4, sigma=SIGMA))


def test_fields_that_vary_make_groups_of_their_own():
    tables = [limits(lam, separable=0).to_table() for lam in (0.4, 0.45)]
    assert AgainstTheory()(pds.dataset(pa.concat_tables(tables)))["lam"].tolist() == [0.4, 0.4, 0.45, 0.45]


def test_rows_that_hold_no_limit_are_answered_by_a_sentence():
    rows = limits(0.4, separable=0).to_table().drop_columns(["s_norm", "loss_inf", "margin"])
    with pytest.raises(ValueError, match="says of no column"):
        AgainstTheory()(pds.dataset(rows))
