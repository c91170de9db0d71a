"""Rows that share their noise are compared in pairs."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq
import pytest
from stored_runs import limit_run
from sweepjax_cli import app

from sweepjax.reducers.difference import Difference
from sweepjax.store.chunkfile import arrow

NOISE = np.array([0.0, 10.0, 20.0, 30.0])


def rows(values, *, along="sigma", count=4, **more) -> pds.Dataset:
    """Rows whose s_norm is the noise of their realization, and the value of a field, and a little of their own."""
    index = np.tile(np.arange(count), len(values))
    field = np.repeat(np.asarray(values, dtype=object), count)
    level = np.array([value if isinstance(value, float) else 0.0 for value in field])
    labels = {"model": "logistic", "solver": "limit", "lam": 0.4, "n": 10, "d": 4, "seed": 0, "realization": index}
    frame = pd.DataFrame(labels | {along: field.tolist(), "s_norm": NOISE[index % 4] + level * (1 + index % 2)} | more)
    return pds.dataset(pa.Table.from_pandas(frame, preserve_index=False))


def reduced(table, along="sigma", **options) -> pd.DataFrame:
    return Difference(**({"along": along, "column": "s_norm"} | options))(table)


def test_the_difference_of_pairs_does_not_see_the_noise_that_they_share():
    line = reduced(rows([1.0, 2.0])).iloc[0]
    assert (line["sigma_reference"], line["sigma"], line["pairs"], line["left_out"]) == (1.0, 2.0, 4, 0)
    assert line["difference"] == 1.5
    assert line["se"] == pytest.approx(np.std([1, 2, 1, 2], ddof=1) / 2)
    sides = NOISE + np.array([1, 2, 1, 2]), NOISE + np.array([2, 4, 2, 4])
    assert line["se_unpaired"] == pytest.approx(math.sqrt(sum(np.var(side, ddof=1) for side in sides)) / 2)
    assert line["correlation"] == pytest.approx(np.corrcoef(*sides)[0, 1])


def test_the_interval_is_that_of_students_t():
    line = reduced(rows([1.0, 2.0])).iloc[0]
    assert (line["high"] - line["low"]) / 2 == pytest.approx(3.182446 * line["se"], rel=1e-6)


def test_every_value_is_held_against_the_first():
    table = reduced(rows([3.0, 1.0, 2.0]))
    assert table["sigma"].tolist() == [2.0, 3.0]
    assert table["sigma_reference"].tolist() == [1.0, 1.0]
    assert table["difference"].tolist() == [1.5, 3.0]


def test_the_order_of_the_rows_does_not_matter():
    table = rows([1.0, 2.0]).to_table()
    shuffled = table.take([5, 0, 3, 7, 1, 2, 6, 4])
    pd.testing.assert_frame_equal(reduced(pds.dataset(shuffled)), reduced(pds.dataset(table)))


def test_a_row_without_a_partner_or_without_a_number_is_left_out_and_counted():
    table = rows([1.0, 2.0]).to_table()
    spoilt = table["s_norm"].to_pylist()
    spoilt[1], spoilt[6] = None, math.nan
    table = table.set_column(table.schema.get_field_index("s_norm"), "s_norm", pa.array(spoilt, from_pandas=False))
    line = reduced(pds.dataset(table.take([1, 2, 3, 4, 5, 6, 7]))).iloc[0]
    assert (line["pairs"], line["left_out"]) == (1, 3)
    assert line["difference"] == 2.0
    assert math.isnan(line["se"])


def test_rows_are_paired_within_the_other_fields_and_pooled_over_those_that_are_not_asked_for():
    tables = [rows([1.0, 2.0], init_norm=norm).to_table() for norm in (0.1, 0.2)]
    both = pds.dataset(pa.concat_tables(tables))
    assert reduced(both)["init_norm"].tolist() == [0.1, 0.2]
    pooled = reduced(both, by="lam")
    assert (pooled["pairs"].tolist(), pooled["difference"].tolist()) == ([8], [1.5])


def test_a_curve_is_compared_time_by_time():
    curves = {name: arrow(np.outer(np.ones(8), values)) for name, values in (("time", [0.0, 1.0]), ("b", [0.0, 0.0]))}
    rising = np.concatenate([np.outer(NOISE, [1, 1]), np.outer(NOISE, [1, 1]) + np.array([0, 5])])
    table = rows([1.0, 2.0]).to_table()
    for name, column in (curves | {"test_loss": arrow(rising)}).items():
        table = table.append_column(name, column)
    lines = reduced(pds.dataset(table), column="test_loss")
    assert lines["time"].tolist() == [0.0, 1.0]
    assert lines["difference"].tolist() == [0.0, 5.0]
    assert lines["se"].tolist() == [0.0, 0.0]


def test_a_text_that_leaves_the_datasets_as_they_are_can_be_compared():
    line = reduced(rows(["exponential", "logistic"], along="loss"), along="loss").iloc[0]
    assert (line["loss_reference"], line["loss"], line["difference"]) == ("exponential", "logistic", 0.0)


@pytest.mark.parametrize("field", ["n", "d", "lam", "model"])
def test_fields_that_change_the_datasets_make_no_pairs(field):
    with pytest.raises(ValueError, match=f"differ in {field} do not share their datasets"):
        reduced(rows([1.0, 2.0]), along=field)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"along": ""}, "which field is compared is not given; add --along with one of: model, solver"),
        ({"along": "s_norm"}, "'s_norm' is no field of these rows"),
        ({"along": "solver"}, "solver has one value in these rows"),
        ({"column": ""}, "which column is compared is not given"),
        ({"column": "s_nrm"}, "unknown column 's_nrm'; did you mean 's_norm'"),
        ({"by": "sigmas"}, "unknown column 'sigmas'"),
    ],
)
def test_what_cannot_be_compared_is_answered_in_a_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        reduced(rows([1.0, 2.0]), **options)


def test_the_command_line_names_the_field(tmp_path, capsys):
    pq.write_table(rows([1.0, 2.0]).to_table(), tmp_path / "rows.parquet")
    command = ["reduce", str(tmp_path / "rows.parquet"), "difference", "--along", "sigma", "--column", "s_norm"]
    assert app(command) == 0
    assert "sigma_reference" in capsys.readouterr().out
    assert app([*command[:3], "--along", "n", "--column", "s_norm"]) == 2
    assert "do not share their datasets" in capsys.readouterr().err


def test_lambda_may_be_typed_as_it_is_read(tmp_path, capsys):
    """In tables it is called lam; a field that changes the dataset makes no pairs under either name."""
    run = str(limit_run(tmp_path / "run"))
    for name in ("lambda", "lam"):
        assert app(["reduce", run, "difference", "--along", name, "--column", "s_norm"]) == 2
        assert "rows that differ in lam do not share" in capsys.readouterr().err
    assert app(["reduce", run, "mean", "--by", "lambda", "--column", "s_norm"]) == 0
    assert "lam " in capsys.readouterr().out.splitlines()[0]


def test_a_field_that_some_values_do_not_have_keeps_no_rows_apart():
    rates = [None] * 4 + [0.1] * 4
    table = reduced(rows(["limit", "adam"], along="solver", learning_rate=rates), along="solver")
    assert (table["pairs"] == 4).all()
    extra = reduced(rows([1.0, 2.0], p=[None] * 8)).iloc[0]
    assert (extra["pairs"], extra["left_out"]) == (4, 0)


def test_rows_that_differ_in_more_than_one_field_make_no_pairs():
    with pytest.raises(ValueError, match="no two rows differ in sigma alone"):
        reduced(rows([1.0, 2.0], loss=["logistic"] * 4 + ["exponential"] * 4))


def test_values_that_are_compared_cannot_be_grouped_by(tmp_path):
    with pytest.raises(ValueError, match="--by sigma has sigma, whose values are compared"):
        reduced(rows([1.0, 2.0]), by="sigma")
