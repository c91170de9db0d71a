"""Finite-size scaling of rows whose exponents are known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as pds
import pytest

from sweepjax.reducers.scaling import Scaling
from sweepjax.theory.separability import separable_probability

SIZES, FINE = (64, 128, 256, 400), np.arange(0.40, 0.5301, 0.01)
C = 1.3092569


def at(n: int, lam: float, columns: dict) -> pd.DataFrame:
    keys = {"model": "logistic", "solver": "limit", "lam": round(lam, 6), "n": n, "d": round(n * lam), "seed": 0}
    return pd.DataFrame(keys | {"realization": np.arange(len(next(iter(columns.values()))))} | columns)


def rows(make, *, sizes=SIZES, lams: Sequence[float] | np.ndarray = FINE) -> pds.Dataset:
    table = pd.concat([at(n, lam, make(n, lam)) for n in sizes for lam in lams], ignore_index=True)
    return pds.dataset(pa.Table.from_pandas(table, preserve_index=False))


def critical_law(seed: int, count: int = 400):
    """‖S_∞‖ = C (1 - 2λ - ξ/√N)^(-1/2) where that is real: ν = 2, λ_c = 1/2, a = 1/4 at every N."""
    rng = np.random.default_rng(seed)

    def make(n: int, lam: float) -> dict:
        distance = 1 - 2 * lam - rng.standard_normal(count) / np.sqrt(n)
        with np.errstate(invalid="ignore"):
            return {"s_norm": np.where(distance > 0, C / np.sqrt(distance), np.nan)}

    return make


def results(table: pd.DataFrame, analysis: str) -> pd.DataFrame:
    return table.loc[table["analysis"] == analysis].set_index("quantity")


def covered(table: pd.DataFrame, truth: dict[str, float]) -> list[bool]:
    found = results(table, "collapse")
    return [bool(found.loc[name, "low"] <= value <= found.loc[name, "high"]) for name, value in truth.items()]


KNOWN = {"critical": 0.5, "nu": 2.0, "exponent": 0.25}


@pytest.fixture(scope="module")
def table():
    return Scaling(column="s_norm", draws=100)(rows(critical_law(0)))


def test_the_exponents_of_a_law_that_scales_exactly_lie_in_their_intervals(table):
    assert all(covered(table, KNOWN))
    assert results(table, "collapse")["p"].iloc[0] > 0.01


def test_at_the_critical_point_a_power_of_n_is_preferred_to_a_logarithm_where_sizes_are_wide_apart():
    wide = rows(critical_law(1, 4000), sizes=(64, 1024, 16384), lams=[0.48, 0.5])
    table = Scaling(column="s_norm", critical=0.5, nu=2, exponent=0.25, degree=1)(wide)
    growth = results(table, "growth").query("where == 'lam = 0.5'")
    assert growth.loc["power of n", "aic"] + 10 < growth.loc["logarithm of n", "aic"]
    assert growth.loc["power of n", "value"] == pytest.approx(0.25, abs=0.02)


def test_what_is_known_is_kept_and_has_no_interval():
    table = Scaling(column="s_norm", critical=0.5, nu=2, degree=4)(rows(critical_law(2), sizes=SIZES[:2]))
    found = results(table, "collapse")
    assert list(found.loc[["critical", "nu"], "value"]) == [0.5, 2.0]
    assert found.loc[["critical", "nu"], "low"].isna().all()
    assert found.loc["exponent", "low"] < 0.25 < found.loc["exponent", "high"]


def test_curves_that_do_not_collapse_have_a_small_p():
    def unlike(n: int, lam: float) -> dict:
        rng = np.random.default_rng(n + round(1000 * lam))
        return {"s_norm": np.exp(0.1 * rng.standard_normal(200) + np.sin(n * lam))}

    assert results(Scaling(column="s_norm")(rows(unlike, sizes=SIZES[:2])), "collapse")["p"].iloc[0] < 1e-6


def test_rows_without_the_column_are_counted_and_may_count_as_infinite(table):
    missing = table["left_out"].iloc[0]
    assert 0 < missing < table["rows"].iloc[0] == 4 * 14 * 400
    every = Scaling(column="s_norm", null="infinite")(rows(critical_law(0)))
    assert every["left_out"].iloc[0] == 0
    assert every["points_left_out"].iloc[0] > table["points_left_out"].iloc[0]


def wendel(seed: int, count: int = 1000):
    rng = np.random.default_rng(seed)
    return lambda n, lam: {"separable": rng.random(count) < separable_probability(n=n, d=round(n * lam))}


def test_wendels_transition_is_at_one_half_with_nu_two():
    lams = np.arange(26, 39) / 64  # multiples of 1/64, so that d is exact at each size
    table = Scaling(column="separable", degree=3)(rows(wendel(0), sizes=(64, 128, 256), lams=lams))
    assert all(covered(table, {"critical": 0.5, "nu": 2.0}))
    assert results(table, "collapse").loc["exponent", "value"] == 0


def test_fractions_of_two_sizes_cross_at_the_critical_point():
    lams = np.arange(26, 39) / 64
    crossings = results(
        Scaling(column="separable", degree=3)(rows(wendel(1), sizes=(64, 128, 256), lams=lams)), "crossing"
    )
    assert list(crossings["where"]) == ["n = 64 and 128", "n = 64 and 256", "n = 128 and 256"]
    width = crossings["high"] - crossings["low"]  # 3.9 standard errors
    assert np.all(np.abs(crossings["value"] - 0.5) < width)
    assert np.all(width < 0.06)


def test_ratios_of_quantiles_of_two_sizes_cross_at_the_critical_point():
    table = Scaling(column="s_norm", quantiles="10,90")(rows(critical_law(0, 4000), sizes=(64, 256)))
    crossing = results(table, "crossing").loc["lam"]
    assert crossing["low"] <= 0.5 <= crossing["high"] < crossing["low"] + 0.08


def crossing_curve(n: int, lam: float) -> dict:
    rng = np.random.default_rng(n + round(1e4 * lam))
    when = n**0.5 * np.exp(0.2 * rng.standard_normal(100)) * (1 + lam)
    time = [0.0, *np.geomspace(1, 60, 30)]
    accuracy = [[0.5 if t < each else 1.0 for t in time] for each in when]
    each = {"time": [time] * 100, "train_accuracy": [[1.0] * 31] * 100, "test_accuracy": accuracy}
    return {name: list(values) for name, values in each.items()}


def test_times_that_are_censored_are_beyond_every_number():
    frame = pd.concat([at(n, 0.3, crossing_curve(n, 0.3)) for n in (64, 256, 1024, 4096)], ignore_index=True)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    kind = pa.list_(pa.float64(), 31)
    for name in ("time", "train_accuracy", "test_accuracy"):
        column = pa.array(frame[name].tolist(), kind)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    found = Scaling(column="t_test", quantiles="50")(pds.dataset(table)).set_index("quantity").loc["power of n"]
    assert found["value"] == pytest.approx(0.5, abs=0.05)
    assert found["points"] == 3  # at N = 4096 half of the times lie beyond the record
    assert found["points_left_out"] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "which column is scaled is not given"),
        ({"column": "s_nrom"}, "did you mean 's_norm'"),
        ({"column": "s_norm", "quantiles": "0,50"}, "above 0 and below 100"),
        ({"column": "s_norm", "null": "inf"}, "choose one of: left_out, infinite, zero"),
        ({"column": "s_norm", "degree": 0}, "give a number from 1 to 12"),
        ({"column": "s_norm", "size": "width"}, "unknown field 'width'; .*, with --set size=FIELD"),
        ({"column": "s_norm", "degree": 12, "omega": 0.5, "correction_degree": 12}, "lower degree"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_a_sentence(options, said):
    few = rows(critical_law(3, 60), sizes=(64, 128), lams=[0.3, 0.35, 0.4])
    with pytest.raises(ValueError, match=said):
        Scaling(**options)(few)


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="too few points"):
        Scaling(column="s_norm")(rows(critical_law(4, 10), sizes=(64,), lams=[0.3]))


@pytest.mark.slow
def test_intervals_cover_what_theory_knows_in_ninety_of_a_hundred_seeds():
    hits = np.array([covered(Scaling(column="s_norm")(rows(critical_law(seed))), KNOWN) for seed in range(100)])
    assert (hits.sum(axis=0) >= 90).all(), dict(zip(KNOWN, hits.sum(axis=0), strict=True))


@pytest.mark.slow
def test_intervals_of_wendels_transition_cover_it_in_ninety_of_a_hundred_seeds():
    lams = np.arange(26, 39) / 64
    reduce = Scaling(column="separable", degree=3)
    made = (rows(wendel(seed), sizes=(64, 128, 256), lams=lams) for seed in range(100))
    hits = np.array([covered(reduce(each), {"critical": 0.5, "nu": 2.0}) for each in made])
    assert (hits.sum(axis=0) >= 90).all(), hits.sum(axis=0)
