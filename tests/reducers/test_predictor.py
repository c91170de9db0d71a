"""What early signals tell of late times: rank correlations and ROC curves, pooled and within fixed fields."""

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pds
import pytest
from scipy.stats import spearmanr

from sweepjax.columns import CLOCK, CURVE, FACT, LABEL, describing
from sweepjax.reducers.early_signals import EarlySignals
from sweepjax.reducers.predictor import Predictor

STEPS = [0, 100, 400, 1000, 2000]


def table(times, losses, *, fields=(), stopped=None, hjorth=None):
    """Rows with these times and this loss at step 400, and of these fields."""
    count = len(times)
    plain = {"learning_rate": np.full(count, 0.1), "weight_decay": np.full(count, 1.0)} | dict(fields)
    numbers = plain.pop("realization", range(count))
    columns = {
        **{name: (LABEL, pa.array(values, pa.float64())) for name, values in plain.items()},
        "operation": (LABEL, pa.array(["a+b"] * count)),
        "seed": (LABEL, pa.array([0] * count)),
        "realization": (LABEL, pa.array(numbers)),
        "t_test_99": (FACT, pa.array(times, pa.int64())),
    }
    curve = np.tile(np.array([9.0, 5.0, 0.0, 1.0, 0.5]), (count, 1))
    curve[:, 2] = losses
    ended = np.zeros(count, bool) if stopped is None else np.asarray(stopped)
    for name, values, kind in (("step", np.tile(STEPS, (count, 1)), CLOCK), ("train_loss", curve, CURVE)):
        mask = np.zeros_like(values, bool)
        mask[ended, 2:] = True
        inner = pa.array(values.ravel(), mask=mask.ravel())
        columns[name] = (kind, pa.FixedSizeListArray.from_arrays(inner, 5))
    if stopped is not None:
        columns["stopped"] = (FACT, pa.array(ended))
    if hjorth is not None:
        inner = pa.FixedSizeListArray.from_arrays(pa.array(np.repeat(hjorth, 40).astype(float)), 8)
        columns["hjorth"] = (CURVE, pa.FixedSizeListArray.from_arrays(inner, 5))
    fields = [describing(pa.field(name, array.type), kind) for name, (kind, array) in columns.items()]
    return pds.dataset(pa.table([array for _, array in columns.values()], schema=pa.schema(fields)))


def told(rows, **options):
    """The lines of the loss, by scope."""
    found = Predictor(**{"signals": "train_loss", "before": 1500.0} | options)(rows)
    return {line["within"]: line for line in found.to_dict("records")}


def test_a_signal_that_orders_the_times_tells_them_exactly():
    line = told(table([500, 600, 700, 1800, None], [1, 2, 3, 4, 5]))["pooled"]
    assert (line["spearman"], line["auc"]) == (1, 0)
    assert (line["rows"], line["early"], line["known"], line["left_out"]) == (5, 3, 0, 0)


def test_pooled_numbers_are_those_of_scipy_and_of_all_pairs():
    rng = np.random.default_rng(2)
    times = rng.integers(401, 2000, 60)
    losses = -times / 1000 + rng.standard_normal(60)
    line = told(table(times, losses))["pooled"]
    early = times <= 1500
    pairs = losses[early][:, None] - losses[~early]
    assert line["spearman"] == pytest.approx(spearmanr(losses, times).statistic)
    assert line["auc"] == pytest.approx(np.mean(pairs > 0))
    assert line["spearman_low"] < line["spearman"] < line["spearman_high"]
    assert line["auc_low"] < line["auc"] < line["auc_high"]


@pytest.mark.slow
def test_intervals_hold_the_truth_nineteen_times_in_twenty():
    rng, inside = np.random.default_rng(0), []
    for _ in range(400):
        times = rng.integers(401, 2000, 80)
        shift = 1.0 * (times <= 1500)
        line = told(table(times, shift + rng.standard_normal(80)))["pooled"]
        inside.append(line["auc_low"] < 0.7602 < line["auc_high"])  # Φ(1/√2)
    assert np.mean(inside) > 0.91


def test_a_signal_that_is_the_field_alone_tells_nothing_within_it():
    rng = np.random.default_rng(1)
    rates = np.repeat([0.1, 0.2], 200)
    times = np.where(rates > 0.15, 1400, 1600) + rng.integers(-200, 250, 400)
    found = told(table(times, 10 * rates + 0.01 * rng.standard_normal(400), fields={"learning_rate": rates}))
    assert found["pooled"]["auc_low"] > 0.6
    assert found["learning_rate"]["auc_low"] < 0.5 < found["learning_rate"]["auc_high"]
    assert abs(found["learning_rate"]["spearman"]) < 0.2


def test_pairs_within_strata_are_those_of_each_stratum_alone():
    rates, times = [0.1] * 4 + [0.2] * 3, [500, 600, 1700, 1800, 700, 1600, 1900]
    found = told(table(times, [4, 1, 2, 3, 9, 8, 5], fields={"learning_rate": rates}))["learning_rate"]
    assert found["auc"] == pytest.approx((2 + 0 + 2) / (4 + 2))  # 4 > 2, 3; 1 > none; 9 > 8, 5


def test_rows_that_share_a_draw_count_as_one():
    rng = np.random.default_rng(3)
    times, losses = rng.integers(401, 2000, 50), rng.standard_normal(50)
    alone = told(table(times, losses))["pooled"]
    rates = np.repeat([0.1, 0.2, 0.3, 0.4], 50)
    shared = table(
        np.tile(times, 4), np.tile(losses, 4), fields={"learning_rate": rates, "realization": [*range(50)] * 4}
    )
    line = told(shared)["pooled"]
    assert line["auc"] == pytest.approx(alone["auc"])
    assert line["auc_high"] - line["auc_low"] == pytest.approx(alone["auc_high"] - alone["auc_low"])


def test_two_fields_are_fixed_each_and_together():
    rates, decays = np.tile([0.1, 0.2], 20), np.repeat([1.0, 2.0], 20)
    found = Predictor(signals="train_loss,learning_rate", before=1500.0)(
        table(
            np.linspace(500, 1900, 40).astype(int),
            np.arange(40.0),
            fields={"learning_rate": rates, "weight_decay": decays},
        )
    )
    scopes = found.groupby("signal")["within"].apply(list)
    assert scopes["train_loss"] == ["pooled", "learning_rate", "weight_decay", "all of them"]
    assert scopes["learning_rate"] == ["pooled", "weight_decay"]


def test_rows_that_are_there_already_are_known_and_not_foretold():
    line = told(table([300, 400, 600, 1800], [1, 2, 3, 4]))["pooled"]
    assert (line["known"], line["rows"]) == (2, 2)


def test_rows_without_the_signal_or_ended_on_the_way_are_left_out_and_counted():
    line = told(table([500, None, 1800, 900], [1, 2, np.nan, 4], stopped=[False, True, False, False]))["pooled"]
    assert (line["left_out"], line["rows"]) == (2, 2)


def test_what_is_asked_for_may_be_a_part_of_a_column():
    rows = table([500, 600, 1700, 1800], [1, 2, 3, 4], hjorth=[4, 3, 2, 1])
    found = Predictor(signals="hjorth", before=1500.0)(rows)
    assert found["signal"].tolist()[:2] == ["hjorth.activity", "hjorth.mobility"]
    assert found.set_index("signal").loc["hjorth.activity", "auc"] == 1
    assert Predictor(signals="hjorth.mobility", before=1500.0)(rows)["signal"].tolist() == ["hjorth.mobility"]


def test_curves_are_signals_unless_others_are_asked_for():
    found = Predictor(before=1500.0)(table([500, 1800], [1, 2], fields={"learning_rate": [0.1, 0.2]}))
    assert sorted(set(found["signal"])) == ["learning_rate", "train_loss"]


def test_the_table_of_signals_has_a_line_a_row_and_a_part_to_be_judged_by():
    found = EarlySignals(every=2)(table([300, 600, None, 1800], [1, 2, np.nan, 4]))
    assert found["part"].tolist() == ["learn", "judge", "learn", "judge"]
    assert found["usable"].tolist() == [False, True, True, True]
    np.testing.assert_array_equal(found["t"], [300, 600, np.nan, 1800])
    np.testing.assert_array_equal(found["train_loss"], [1, 2, np.nan, 4])
    with pytest.raises(ValueError, match="every = 1 is not allowed"):
        EarlySignals(every=1)(table([500], [1]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"before": 300.0}, r"before = 300 is not allowed at = 400 in rows recorded up to 2000; give a step between"),
        ({"fixed": "speed"}, "'speed' is no field of these rows"),
        ({"at": -1.0}, "at = -1 is not allowed; give a step of 0 or later"),
        ({"target": "operation"}, "column 'operation' holds no numbers"),
        ({"signals": "operation"}, "column 'operation' holds no numbers"),
        ({"signals": "train_los"}, "unknown column 'train_los'"),
        ({"target": "t_test"}, "unknown column 't_test'"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        told(table([500, 1800], [1, 2], fields={"learning_rate": [0.1, 0.2]}), **options)
