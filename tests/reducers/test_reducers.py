import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from scipy.stats import binom, binomtest

from sweepjax import plugins
from sweepjax.reducers import _stream
from sweepjax.reducers._states import Moments, Quantiles
from sweepjax.reducers.histogram import Histogram
from sweepjax.reducers.mean import Mean
from sweepjax.reducers.separable_fraction import SeparableFraction, chi_square, wilson

POINTS = [(64, 24), (64, 32), (64, 40)]


def realizations(count: int = 200, *, points=POINTS, sigmas=(1.0,)) -> pd.DataFrame:
    """Rows shaped like those of the solver `limit`; the numbers are drawn from simple laws."""
    return pd.concat([_one_point(n, d, sigma, count) for n, d in points for sigma in sigmas], ignore_index=True)


def _one_point(n: int, d: int, sigma: float, count: int) -> pd.DataFrame:
    generator = np.random.default_rng([n, d])
    separable = generator.random(count) < binom.cdf(d - 1, n - 1, 0.5)
    s_norm, margin = (generator.pareto(2.0, count) + 1) / sigma, sigma * generator.random(count)
    point = {"model": "logistic", "solver": "limit", "lam": d / n, "n": n, "d": d, "sigma": sigma, "seed": 0}
    fields = {"realization": np.arange(count), "loss": "logistic", "init_norm": 0.1, "init_bias": 0.0}
    measured = {
        "separable": separable,
        "certified": True,
        "s_norm": pd.array(np.where(separable, np.nan, s_norm), dtype="Float32"),
        "margin": pd.array(np.where(separable, margin, np.nan), dtype="Float32"),
        "iterations": generator.integers(5, 20, count),
    }
    return pd.DataFrame(point | fields | measured)


def dataset(frame: pd.DataFrame) -> pds.Dataset:
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for name in ("s_norm", "margin"):
        if name in frame:
            values = pa.array(frame[name].to_numpy(np.float32, na_value=np.nan), from_pandas=True)
            table = table.set_column(table.schema.get_field_index(name), name, values)
    return pds.dataset(table)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return realizations()


def line(table: pd.DataFrame, column: str, lam: float) -> pd.Series:
    return table.query(f"column == '{column}' and lam == {lam}").iloc[0]


@pytest.mark.parametrize(("name", "found"), [("mean", Mean), ("histogram", Histogram)])
def test_a_reducer_is_found_by_the_name_of_its_file(name, found):
    assert plugins.find("reducers", name) is found


def test_the_reducers_are_these_and_no_private_module_is_among_them():
    assert {"histogram", "mean", "separable_fraction"} <= set(plugins.names("reducers"))
    assert plugins.find("reducers", "separable_fraction") is SeparableFraction


def test_mean_se_and_quantiles_equal_those_of_pandas(frame):
    table = Mean(column="s_norm,iterations")(dataset(frame))
    for name in ("s_norm", "iterations"):
        for lam, group in frame.groupby("lam"):
            values, row = group[name].dropna().astype("float64"), line(table, name, lam)
            measured = row[["mean", "se", "median", "q5", "q25", "q75", "q95"]].to_numpy(float)
            expected = [values.mean(), values.sem(), *(values.quantile(q) for q in (0.5, 0.05, 0.25, 0.75, 0.95))]
            np.testing.assert_allclose(measured, expected, rtol=1e-12)


def test_null_and_nan_are_counted_apart_and_neither_is_averaged():
    frame = realizations(10, points=[(64, 8)])
    table = pa.Table.from_pandas(frame.drop(columns=["s_norm", "margin"]), preserve_index=False)
    values = pa.array([1.0, 2.0, math.nan, None, None, 3.0, 4.0, 5.0, 6.0, 7.0])
    row = Mean(column="s_norm")(pds.dataset(table.append_column("s_norm", values))).iloc[0]
    assert row[["rows", "kept", "null", "nan"]].tolist() == [10, 7, 2, 1]
    assert row["mean"] == 4.0
    assert row["median"] == 4.0


def test_a_column_that_is_null_throughout_a_group_has_no_mean_but_has_counts(frame):
    absent = frame.assign(s_norm=pd.array([pd.NA] * len(frame), dtype="Float32"))
    row = Mean(column="s_norm")(dataset(absent)).iloc[0]
    assert row["null"] == row["rows"]
    assert np.isnan(row[["mean", "se", "median", "q95"]].to_numpy(float)).all()


def test_truth_values_average_to_fractions(frame):
    row = line(Mean(column="separable")(dataset(frame)), "separable", 0.5)
    assert row["mean"] == frame.query("lam == 0.5")["separable"].mean()


def test_by_default_every_measured_number_is_averaged_and_no_configured_one(frame):
    table = Mean()(dataset(frame))
    columns = ["separable", "certified", "s_norm", "s_norm_inverse_square", "margin", "iterations"]
    assert list(dict.fromkeys(table["column"])) == columns
    assert len(table) == len(POINTS) * len(columns)


def test_fields_that_vary_become_keys_and_those_that_do_not_are_left_out():
    table = Mean(column="margin")(dataset(realizations(sigmas=(1.0, 2.0))))
    assert table.columns[:5].tolist() == ["lam", "n", "d", "sigma", "column"]
    assert len(table) == 2 * len(POINTS)


def test_grouping_by_one_field_keeps_the_point_where_it_is_the_same(frame):
    assert Mean(column="margin", by="lam")(dataset(frame)).columns[:4].tolist() == ["lam", "n", "d", "column"]
    pooled = Mean(column="margin", by="sigma")(dataset(frame))
    assert pooled.columns[:3].tolist() == ["sigma", "n", "column"]
    assert pooled["rows"].tolist() == [len(frame)]


def test_the_inverse_square_leaves_separable_draws_out_unless_they_are_to_count_as_zero(frame):
    rows, finite = dataset(frame), 1 / frame.query("lam == 0.5")["s_norm"].dropna().astype("float64") ** 2
    left_out = line(Mean(column="s_norm_inverse_square")(rows), "s_norm_inverse_square", 0.5)
    as_zero = line(Mean(column="s_norm_inverse_square", separable_is_zero=True)(rows), "s_norm_inverse_square", 0.5)
    assert left_out["mean"] == pytest.approx(finite.mean(), rel=1e-12)
    assert as_zero["mean"] == pytest.approx(finite.sum() / as_zero["rows"], rel=1e-12)
    assert as_zero["kept"] == as_zero["rows"] == left_out["kept"] + left_out["null"]


def test_uncertified_rows_are_counted_and_their_lower_bounds_stay_among_the_quantiles(frame):
    doubtful = frame.assign(certified=frame["s_norm"].fillna(0.0) < frame["s_norm"].quantile(0.9))
    row, sure = (line(Mean(column="s_norm")(dataset(rows)), "s_norm", 0.375) for rows in (doubtful, frame))
    assert row["uncertified"] == (~doubtful.query("lam == 0.375")["certified"]).sum() > 0
    assert row["q95"] == sure["q95"]


@pytest.mark.parametrize("reducer", [Mean(), SeparableFraction(), Histogram(bins=7)])
def test_neither_the_order_of_the_rows_nor_the_size_of_the_batches_matters(reducer, frame, monkeypatch):
    whole = reducer(dataset(frame))
    monkeypatch.setattr(_stream, "BATCH", 17)
    pd.testing.assert_frame_equal(reducer(dataset(frame.sample(frac=1.0, random_state=1))), whole, rtol=1e-12)


@pytest.mark.parametrize("reducer", [Mean(), SeparableFraction(), Histogram(bins=7)])
def test_two_halves_reduced_together_equal_the_whole(reducer, frame):
    halves = pds.dataset([dataset(frame.iloc[::2]), dataset(frame.iloc[1::2])])
    pd.testing.assert_frame_equal(reducer(halves), reducer(dataset(frame)), rtol=1e-12)


def test_moments_of_two_parts_add_to_those_of_the_whole_far_from_the_origin():
    values = 1e6 + np.random.default_rng(0).standard_normal(1000)
    added = sum((Moments.of(part) for part in np.split(values, [1, 10, 300])), Moments.of(values[:0]))
    assert added.mean == pytest.approx(values.mean(), rel=1e-14)
    assert added.se == pytest.approx(values.std(ddof=1) / math.sqrt(1000), rel=1e-9)


def test_a_state_does_not_grow_with_the_rows_and_its_quantiles_stay_within_the_stated_rank():
    values = np.random.default_rng(0).permutation(200_000).astype(float)
    state, sizes = Quantiles.of(values[:0], 256), []
    for part in np.split(values, 50):
        state += Quantiles.of(part, 256)
        sizes.append(state.sketch.num_retained)
    assert max(sizes) < 4 * 256
    assert state.quantile(0.5) == pytest.approx(100_000, abs=200_000 * 0.02)


def test_adding_states_leaves_the_summands_alone():
    first, second = Quantiles.of(np.arange(3.0), 64), Quantiles.of(np.arange(3.0, 5.0), 64)
    assert (first + second).quantile(1.0) == 4.0
    assert (first.sketch.n, second.sketch.n) == (3, 2)


@pytest.mark.parametrize(("count", "rank"), [(6, 1), (10, 2), (25, 8), (100, 40)])
def test_the_median_interval_is_the_classical_pair_of_order_statistics(count, rank):
    assert Quantiles.of(np.arange(1.0, count + 1), 256).median_interval() == (rank, count + 1 - rank)


def test_a_median_stands_with_its_interval_also_of_values_that_cannot_be_written_to():
    values = np.arange(1.0, 11.0)
    values.flags.writeable = False
    assert Quantiles.of(values, 256).median("t") == {"t": 5.5, "t_low": 2.0, "t_high": 9.0}


def test_fewer_than_six_values_bound_no_median():
    assert np.isnan(Quantiles.of(np.arange(5.0), 256).median_interval()).all()


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 10), (81, 263), (10, 10)])
def test_the_wilson_interval_equals_that_of_scipy(successes, trials):
    low, high = wilson(np.array([successes]), np.array([trials]))
    interval = binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    np.testing.assert_allclose((low[0], high[0]), (interval.low, interval.high), atol=1e-12)


def test_separable_fraction_is_held_against_wendel_exactly():
    frame = realizations(points=[(64, 29), (64, 32), (64, 34)])
    table = SeparableFraction()(dataset(frame))
    row = table.query("lam == 0.5").iloc[0]
    count = int(frame.query("lam == 0.5")["separable"].sum())
    assert (row["rows"], row["separable"], row["wendel"]) == (200, count, 0.5)
    assert row["z"] == pytest.approx((count - 100) / math.sqrt(50), rel=1e-12)
    assert (row["bound_low"], row["bound_high"]) == (row["fraction"], row["fraction"])
    assert table.attrs["chi_square"] == pytest.approx((table["z"] ** 2).sum(), rel=1e-9)
    assert table.attrs["chi_square_dof"] == 3
    assert table.attrs["chi_square_p"] > 1e-4


def test_uncertified_rows_widen_the_bounds_of_the_fraction_both_ways(frame):
    doubtful = frame.query("lam == 0.5").assign(certified=lambda rows: rows["realization"] >= 20)
    row = SeparableFraction()(dataset(doubtful)).iloc[0]
    assert row["uncertified"] == 20
    assert row["bound_high"] - row["bound_low"] == pytest.approx(0.1)
    assert row["bound_low"] <= row["fraction"] <= row["bound_high"]


def test_rows_that_share_their_datasets_enter_the_chi_square_once():
    alone, twice = (SeparableFraction()(dataset(realizations(sigmas=sigmas))) for sigmas in [(1.0,), (1.0, 2.0)])
    assert len(twice) == 2 * len(alone)
    assert twice.attrs == alone.attrs


def test_bins_with_few_expected_draws_are_pooled_with_their_like():
    separable, expected = np.array([3.0, 4.0, 50.0, 100.0]), np.array([3.0, 4.0, 50.0, 99.0])
    result = chi_square(separable, expected, 100 - expected)
    assert result["chi_square_dof"] == 2
    assert result["chi_square"] == pytest.approx(0.0)


def test_what_was_certain_and_happened_has_no_z_score_and_the_impossible_an_infinite_one():
    certain = realizations(5, points=[(4, 4)])
    assert SeparableFraction()(dataset(certain))["z"].tolist() == [0.0]
    assert SeparableFraction()(dataset(certain.assign(separable=False)))["z"].tolist() == [-math.inf]


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_histogram_holds_every_value_once_and_its_density_has_area_one(frame, scale):
    table = Histogram(bins=9, scale=scale)(dataset(frame))
    assert table["count"].sum() == frame["s_norm"].count()
    for _, bins in table.groupby("lam"):
        assert np.sum(bins["density"] * (bins["bin_high"] - bins["bin_low"])) == pytest.approx(1.0)
        assert (bins["null"] + bins["count"].sum() == bins["rows"]).all()


def test_values_outside_a_given_range_are_counted_and_keep_the_density_honest(frame):
    bins = Histogram(bins=4, low=1.5, high=2.5)(dataset(frame)).query("lam == 0.375")
    values = frame.query("lam == 0.375")["s_norm"].dropna().astype("float64")
    assert bins["underflow"].iloc[0] == (values < 1.5).sum()
    assert bins["overflow"].iloc[0] == (values > 2.5).sum()
    assert np.sum(bins["density"]) * 0.25 == pytest.approx(values.between(1.5, 2.5).mean())


def test_a_column_of_one_value_still_has_a_histogram(frame):
    assert Histogram(column="n", bins=3, by="sigma")(dataset(frame))["count"].sum() == len(frame)


@pytest.mark.parametrize(
    ("reducer", "words"),
    [
        (Mean(column="s_nrom"), "'s_nrom'.*did you mean 's_norm'.*margin"),
        (Mean(by="lambda"), "unknown column 'lambda'"),
        (Histogram(column="steps"), "unknown column 'steps'"),
        (Histogram(scale="cubic"), "linear, log"),
        (Histogram(bins=0), "at least one bin"),
        (Histogram(low=3.0, high=2.0), "give low < high"),
    ],
)
def test_a_wrong_option_is_answered_by_what_exists(reducer, words, frame):
    with pytest.raises(ValueError, match=words):
        reducer(dataset(frame))


def test_rows_without_certificates_have_no_separable_fraction(frame):
    with pytest.raises(ValueError, match="unknown column 'certified'"):
        SeparableFraction()(dataset(frame.drop(columns="certified")))


def test_a_trajectory_is_not_averaged_as_if_it_were_one_number(frame):
    table = pa.Table.from_pandas(frame[["lam", "n", "d"]], preserve_index=False)
    rows = pds.dataset(table.append_column("train_loss", pa.array([[1.0, 0.5]] * len(frame))))
    with pytest.raises(ValueError, match="'train_loss' holds a list"):
        Mean(column="train_loss")(rows)


@pytest.mark.parametrize("reducer", [Mean(column="s_norm"), SeparableFraction(), Histogram()])
def test_no_rows_are_said_to_be_no_rows(reducer, frame):
    with pytest.raises(ValueError, match="no rows"):
        reducer(dataset(frame.iloc[:0]))
