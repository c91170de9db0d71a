"""The exponent of times that grow as a field falls."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax.columns import FACT, LABEL, describing
from sweepjax.reducers.power_law import PowerLaw

AT = np.array([0.3, 0.35, 0.4, 0.5, 0.6, 0.8])


def rows(law, *, count=9, spread=0.0, **more):
    """Rows whose time follows a law of the fraction, times noise that their draws share."""
    index = np.tile(np.arange(count), AT.size)
    noise = np.exp(spread * np.random.default_rng(1).standard_normal((AT.size, count)).ravel())
    fraction = np.repeat(AT, count)
    labels = {"model": "quadratic_modular", "solver": "adamw", "seed": 0, "realization": index, "fraction": fraction}
    frame = pd.DataFrame(labels | {"t_test_99": law(fraction) * noise} | more)
    return pds.dataset(pa.Table.from_pandas(frame, preserve_index=False))


def without(table, missing):
    """The same rows, NULL where a mask says so."""
    frame = table.to_table().to_pandas()
    column = pa.array([None if gone else time for gone, time in zip(missing, frame["t_test_99"], strict=True)])
    whole = pa.Table.from_pandas(frame.drop(columns="t_test_99"), preserve_index=False)
    return pds.dataset(whole.append_column("t_test_99", column))


def test_an_exact_law_is_found_with_its_offset():
    line = PowerLaw(draws=20)(rows(lambda r: 0.25 * r**-8.95 + 44)).iloc[0]
    assert line["gamma"] == pytest.approx(8.95, rel=1e-3)
    assert (line["a"], line["b"]) == pytest.approx((0.25, 44), rel=1e-2)
    assert line["residual"] < 1e-4


def test_without_an_offset_it_is_a_straight_line_of_logarithms():
    line = PowerLaw(draws=20, offset=False)(rows(lambda r: 3.0 * r**-2)).iloc[0]
    assert (line["gamma"], line["a"], line["b"]) == pytest.approx((2, 3, 0), rel=1e-5)


def test_the_interval_holds_the_exponent():
    line = PowerLaw(draws=100, offset=False)(rows(lambda r: r**-4, spread=0.3, count=15)).iloc[0]
    assert line["gamma_low"] < 4 < line["gamma_high"]
    assert line["gamma_high"] - line["gamma_low"] < 2


def test_a_point_that_half_of_the_rows_never_reach_is_counted_and_not_fitted():
    table = rows(lambda r: 3.0 * r**-2)
    missing = np.arange(9 * AT.size) < 9  # all rows of the first point
    line = PowerLaw(draws=20, offset=False)(without(table, missing)).iloc[0]
    assert (line["points"], line["points_censored"], line["rows"], line["rows_null"]) == (5, 1, 54, 9)
    assert line["gamma"] == pytest.approx(2, rel=1e-5)


def test_a_point_that_few_rows_never_reach_has_a_median():
    table = rows(lambda r: 3.0 * r**-2)
    line = PowerLaw(draws=20, offset=False)(without(table, np.arange(9 * AT.size) < 3)).iloc[0]
    assert (line["points"], line["rows_null"]) == (6, 3)


def test_too_few_points_are_refused_in_one_sentence():
    table = without(rows(lambda r: r**-2), np.arange(9 * AT.size) < 27)
    with pytest.raises(ValueError, match="only 3 values of fraction have a finite median of t_test_99"):
        PowerLaw()(table)
    with pytest.raises(ValueError, match="draws = 5 is not allowed"):
        PowerLaw(draws=5)(rows(lambda r: r**-2))


def test_each_group_has_its_own_law():
    table = rows(lambda r: r**-2, operation=np.where(np.arange(9 * AT.size) % 2, "a+b", "a-b"))
    assert PowerLaw(draws=20, by="operation", offset=False)(table)["operation"].tolist() == ["a+b", "a-b"]


def test_a_grid_of_sizes_and_ratios_has_a_fit_for_each_ratio():
    size, ratio, index = (each.ravel() for each in np.meshgrid([100, 200, 400, 800], [0.3, 0.6], range(3)))
    fields = {"model": "quadratic_modular", "solver": "adamw", "seed": 0, "realization": index}
    fields |= {"lam": ratio, "n": size, "d": (ratio * size).astype(int)}
    table = pa.Table.from_pandas(pd.DataFrame(fields | {"time": 1e3 * ratio * size**-2.0}), preserve_index=False)
    kinds = [describing(field, FACT if field.name == "time" else LABEL) for field in table.schema]
    found = PowerLaw(column="time", along="n", draws=20, offset=False)(pds.dataset(table.cast(pa.schema(kinds))))
    assert found["lam"].tolist() == [0.3, 0.6]
    assert found["a"].tolist() == pytest.approx([300, 600])


def test_a_field_of_0_and_what_is_no_field_are_refused():
    with pytest.raises(ValueError, match="fraction is 0 in some rows; a power of it needs numbers above 0"):
        PowerLaw(draws=20)(rows(lambda r: r**-2, fraction=np.repeat([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], 9)))
    with pytest.raises(ValueError, match="'t_test_99' is no field of these rows; choose one of: model"):
        PowerLaw(along="t_test_99", draws=20)(rows(lambda r: r**-2))


def test_rows_that_are_nan_are_left_out_and_counted():
    table = rows(lambda r: 3 * r**-2.0).to_table()
    times = np.where(np.arange(54) % 9 == 0, np.nan, table["t_test_99"].to_numpy())
    place = table.schema.get_field_index("t_test_99")
    line = PowerLaw(draws=20, offset=False)(pds.dataset(table.set_column(place, "t_test_99", pa.array(times)))).iloc[0]
    assert line["gamma"] == pytest.approx(2)
    assert (line["rows"], line["rows_null"], line["left_out"]) == (54, 0, 6)


def test_an_interval_has_no_ends_where_resampled_sets_often_have_too_few_points():
    table = rows(lambda r: 3 * r**-2.0)
    frame = table.to_table().to_pandas()
    never = (frame["fraction"] > 0.5) | ((frame["fraction"] == 0.3) & (frame["realization"] > 4))
    line = PowerLaw(draws=50, offset=False)(without(table, never)).iloc[0]
    assert (line["points"], line["gamma"]) == (4, pytest.approx(2))
    assert (line["gamma_low"], line["gamma_high"]) == (-np.inf, np.inf)
