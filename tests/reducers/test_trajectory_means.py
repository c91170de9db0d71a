import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pyarrow.parquet as pq
import pytest

from sweepjax.columns import CLOCK, CURVE, FACT, LABEL, describing
from sweepjax.reducers import _stream
from sweepjax.reducers.grokking_time import GrokkingTime
from sweepjax.reducers.histogram import Histogram
from sweepjax.reducers.mean import Mean
from sweepjax.reducers.separable_fraction import SeparableFraction
from sweepjax.store.chunkfile import arrow

TIMES = np.array([0.0, 1.0, 10.0, 100.0])
COUNT = 30


def trajectories(lams=(0.3, 0.4), *, seed=0, **columns) -> pa.Table:
    """Rows shaped like those of a training, 30 a λ in turn; the curves are noise around decays."""
    generator, rows = np.random.default_rng(seed), COUNT * len(lams)
    lam = np.tile(lams, COUNT)
    n, d = np.full(rows, 100), np.round(100 * lam).astype(int)
    fields = {"model": np.full(rows, "logistic"), "solver": np.full(rows, "gradient_flow"), "lam": lam, "n": n, "d": d}
    index = {"seed": np.zeros(rows, int), "realization": np.arange(rows) // len(lams)}
    curves = {"time": np.tile(TIMES, (rows, 1)), "step": np.tile(np.round(TIMES / 0.1).astype(int), (rows, 1))}
    curves |= {"test_loss": np.exp(-lam[:, None] * TIMES) + generator.random((rows, len(TIMES)))}
    curves |= {"s_norm": 1 + generator.random((rows, len(TIMES)))}
    return pa.table({name: arrow(values) for name, values in (fields | index | curves | columns).items()})


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return trajectories()


def losses(table: pa.Table, lam: float) -> np.ndarray:
    rows = table.to_pandas().query(f"lam == {lam}")
    return np.stack(list(rows["test_loss"]))


def test_a_curve_has_a_line_a_group_and_recorded_time(table):
    frame = Mean(column="test_loss")(pds.dataset(table))
    assert frame.columns[:7].tolist() == ["lam", "n", "d", "column", "time", "step", "mean"]
    assert frame["time"].tolist() == [*TIMES, *TIMES]
    assert frame["step"].tolist() == [0, 10, 100, 1000] * 2
    assert frame["lam"].tolist() == [0.3] * 4 + [0.4] * 4


def test_its_statistics_are_those_of_pandas_at_each_time(table):
    frame = Mean(column="test_loss", quantiles="5,95")(pds.dataset(table))
    for lam in (0.3, 0.4):
        values = pd.DataFrame(losses(table, lam))
        expected = [values.mean(), values.sem(), values.median(), values.quantile(0.05), values.quantile(0.95)]
        measured = frame.query(f"lam == {lam}")[["mean", "se", "median", "q5", "q95"]].to_numpy()
        np.testing.assert_allclose(measured, np.transpose(expected), rtol=1e-12)


def test_a_curve_and_the_same_numbers_as_single_columns_are_reduced_alike(table):
    curve = Mean(column="test_loss")(pds.dataset(table))
    for place in range(len(TIMES)):
        values = pa.array([row[place] for row in table["test_loss"].to_pylist()])
        single = Mean(column="value")(pds.dataset(table.append_column("value", values)))
        mine = curve[curve["time"] == TIMES[place]].drop(columns=["column", "time", "step"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, single.drop(columns="column"))


def test_without_a_column_every_curve_is_averaged_if_no_single_number_was_measured(table):
    vectors = arrow(np.zeros((table.num_rows, len(TIMES), 2)))
    frame = Mean()(pds.dataset(table.append_column("directions", vectors)))
    assert list(dict.fromkeys(frame["column"])) == ["test_loss", "s_norm"]
    single = Mean()(pds.dataset(table.append_column("iterations", pa.array([1] * table.num_rows))))
    assert list(dict.fromkeys(single["column"])) == ["iterations"]
    assert "time" not in single


def test_the_inverse_square_of_a_curve_is_one(table):
    frame = Mean(column="s_norm_inverse_square")(pds.dataset(table))
    norms = np.stack(list(table.to_pandas().query("lam == 0.3")["s_norm"]))
    np.testing.assert_allclose(frame.query("lam == 0.3")["mean"], np.mean(norms**-2.0, axis=0), rtol=1e-12)


def test_null_rows_and_nan_are_counted_apart_at_each_time():
    values = np.ma.MaskedArray(np.ones((2 * COUNT, len(TIMES))), mask=False)
    values[0], values[2, 2:], values[4, 3] = np.ma.masked, math.nan, math.inf
    frame = Mean(column="test_loss")(pds.dataset(trajectories(test_loss=values))).query("lam == 0.3")
    assert frame["rows"].tolist() == [COUNT] * 4
    assert frame["null"].tolist() == [1] * 4
    assert frame["nan"].tolist() == [0, 0, 1, 1]
    assert frame["kept"].tolist() == [COUNT - 1, COUNT - 1, COUNT - 2, COUNT - 2]
    assert frame["mean"].tolist() == [1.0, 1.0, 1.0, math.inf]


def test_null_rows_survive_a_file(tmp_path):
    values = np.ma.MaskedArray(np.random.default_rng(0).random((2 * COUNT, len(TIMES))), mask=False)
    values[[0, 3, 7]] = np.ma.masked
    table = trajectories(test_loss=values)
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=16)
    stored = Mean(column="test_loss")(pds.dataset(tmp_path))
    pd.testing.assert_frame_equal(stored, Mean(column="test_loss")(pds.dataset(table)), rtol=1e-12)
    assert stored["null"].unique().tolist() == [1, 2]


def test_a_slice_of_the_rows_reads_its_own_numbers(table):
    frame = Mean(column="test_loss", by="realization")(pds.dataset(table.slice(4, 1)))
    assert frame["mean"].tolist() == table["test_loss"][4].as_py()


def test_neither_the_order_of_the_rows_nor_the_size_of_the_batches_matters(table, monkeypatch):
    whole = Mean()(pds.dataset(table))
    monkeypatch.setattr(_stream, "BATCH", 2)
    order = np.random.default_rng(1).permutation(table.num_rows)
    pd.testing.assert_frame_equal(Mean()(pds.dataset(table.take(order))), whole, rtol=1e-12)


def test_several_files_reduced_together_equal_the_whole(table, tmp_path):
    for start in range(0, table.num_rows, 13):
        pq.write_table(table.slice(start, 13), tmp_path / f"{start:03d}.parquet")
    pd.testing.assert_frame_equal(Mean()(pds.dataset(tmp_path)), Mean()(pds.dataset(table)), rtol=1e-12)


def test_long_curves_are_read_in_smaller_batches(table):
    long = pds.dataset(trajectories(time=np.zeros((2 * COUNT, 100_000))))
    assert _stream._batch_rows(long, ["time", "lam"]) == _stream.CURVE * _stream.BATCH // 100_000
    assert _stream._batch_rows(pds.dataset(table), ["lam"]) == _stream.BATCH


def test_rows_of_other_times_are_another_group():
    table = trajectories((0.3, 0.4))
    times = np.where(np.tile([0.3, 0.4], COUNT)[:, None] == 0.3, TIMES, 2 * TIMES)
    table = table.set_column(table.schema.get_field_index("time"), "time", arrow(times))
    assert Mean(column="test_loss")(pds.dataset(table))["time"].tolist() == [*TIMES, *2 * TIMES]
    with pytest.raises(ValueError, match="different values of time; group by what sets them too"):
        Mean(column="test_loss", by="n")(pds.dataset(table))


def test_a_curve_of_a_run_without_steps_has_times_only(table):
    frame = Mean(column="test_loss")(pds.dataset(table.drop_columns("step")))
    assert frame.columns[3:6].tolist() == ["column", "time", "mean"]


@pytest.mark.parametrize(
    ("reducer", "words"),
    [
        (Mean(column="test_loss,d"), "'d' holds one number a row and 'test_loss' holds a curve; reduce them in"),
        (Mean(column="test_los"), "unknown column 'test_los'; did you mean 'test_loss'"),
        (Mean(column="directions"), "'directions' holds a list"),
        (Mean(column="model,test_loss"), "'model' holds no numbers"),
        (Mean(column="time"), "'time' is when the curves were recorded; choose one of: test_loss, s_norm"),
        (Mean(column="test_loss", by="time"), "'time' holds a list"),
        (Histogram(column="test_loss"), "'test_loss' holds a list"),
        (SeparableFraction(), "unknown column 'separable'"),
    ],
)
def test_what_cannot_be_reduced_is_answered_in_a_sentence(reducer, words, table):
    vectors = arrow(np.zeros((table.num_rows, len(TIMES), 2)))
    with pytest.raises(ValueError, match=words):
        reducer(pds.dataset(table.append_column("directions", vectors)))


def test_a_curve_without_its_times_is_refused(table):
    with pytest.raises(ValueError, match="unknown column 'time'"):
        Mean(column="test_loss")(pds.dataset(table.drop_columns("time")))


def test_a_run_that_recorded_no_times_has_no_curves():
    table = pa.table({"lam": [0.4], "test_accuracy": [0.9], "train_accuracy": [0.9], "time": [1.0]})
    with pytest.raises(ValueError, match="a run that recorded no times"):
        GrokkingTime()(pds.dataset(table))


def said(table, **kinds):
    """The table, whose columns say what they are: configured but for these."""
    return table.cast(pa.schema([describing(field, kinds.get(field.name, LABEL)) for field in table.schema]))


def test_a_vector_that_a_row_has_once_is_averaged_along_its_own_axis_even_if_it_is_as_long_as_a_curve():
    vector = np.tile(np.arange(len(TIMES)), (2 * COUNT, 1)) + 0.5
    rows = trajectories(spectrum=vector).select(["lam", "seed", "realization", "time", "spectrum"])
    frame = Mean(column="spectrum")(pds.dataset(said(rows, time=CLOCK, spectrum=FACT)))
    assert frame.columns[:4].tolist() == ["lam", "column", "index", "mean"]
    assert frame["index"].tolist() == 2 * list(range(len(TIMES)))
    assert frame["mean"].tolist() == [index + 0.5 for index in frame["index"]]


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("spectrum,test_loss", "'test_loss' holds a curve and 'spectrum' holds a vector; reduce them in"),
        ("spectrum,pair", "the vectors spectrum, pair are not of one length"),
        ("spectrum,d", "'d' holds one number a row and 'spectrum' holds a vector"),
    ],
)
def test_vectors_are_not_mixed_with_others(column, words):
    rows = trajectories(spectrum=np.ones((2 * COUNT, len(TIMES))), pair=np.ones((2 * COUNT, 2)))
    kinds = {"time": CLOCK, "step": CLOCK, "test_loss": CURVE, "s_norm": CURVE, "spectrum": FACT, "pair": FACT}
    with pytest.raises(ValueError, match=words):
        Mean(column=column)(pds.dataset(said(rows, **kinds)))
