"""`results/judge.py` judges the predictors that are submitted, and refuses in a sentence what it cannot judge."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SPEC = importlib.util.spec_from_file_location("judge", Path(__file__).parents[1] / "results" / "judge.py")
SCRIPT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(SCRIPT)
ROWS = 60
KEYS = ["fraction", "learning_rate", "weight_decay", "seed", "realization"]


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    """Half of these rows judge; the train loss foretells the time, and a third never grok."""
    rng = np.random.default_rng(5)
    loss = rng.uniform(1, 2, ROWS)
    plain = {"fraction": 0.5, "learning_rate": np.repeat([0.1, 0.2], ROWS // 2), "weight_decay": 1.0, "seed": 0}
    table = pd.DataFrame(plain | {"realization": np.arange(ROWS)})
    table["part"], table["usable"] = np.where(np.arange(ROWS) % 2, "judge", "learn"), True
    table["train_loss"], table["t"] = loss, np.where(loss < 1.7, 100 * loss, np.nan)
    path = tmp_path_factory.mktemp("judge") / "signals.parquet"
    table.to_parquet(path)
    return path


def judged(signals, *scores):
    out = signals.with_name("out.csv")
    SCRIPT.main(str(out), str(signals), *map(str, scores))
    return pd.read_csv(out)


def scores(signals, **changes):
    rows = pd.read_parquet(signals).query("part == 'judge'")
    return rows[KEYS].assign(score=-rows["t"].fillna(1000)).assign(**changes)


def test_a_predictor_that_knows_has_the_area_one(signals):
    path = signals.with_name("oracle.csv")
    scores(signals).to_csv(path, index=False)
    found = judged(signals, path).query("within == 'pooled'").set_index("predictor")
    assert found["rows"].eq(ROWS // 2).all()
    assert found.loc["oracle", "auc"] == 1
    assert found.loc["learning rate", "auc"] < found.loc["train loss", "auc"] <= 1


@pytest.mark.parametrize(
    ("name", "change", "told"),
    [
        ("norm.csv", lambda rows: rows, "there is a predictor of the name 'norm' already"),
        ("absent.csv", None, "there is no "),
        ("few.csv", lambda rows: rows.drop(columns="score"), "is no table of scores"),
        ("text.csv", lambda rows: rows.assign(score="early"), "is no table of scores"),
        ("twice.csv", lambda rows: pd.concat([rows, rows]), "is no table of scores"),
        ("short.csv", lambda rows: rows.iloc[3:], "lacks a score of 3 rows"),
        ("nan.csv", lambda rows: rows.assign(score=np.nan), "is no table of scores|lacks a score of 30 rows"),
    ],
)
def test_what_is_no_score_is_refused_in_a_sentence(signals, name, change, told):
    path = signals.with_name(name)
    if change:
        change(scores(signals)).to_csv(path, index=False)
    with pytest.raises(SystemExit, match=told):
        judged(signals, path)
