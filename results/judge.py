"""Judge predictors of the grokking time: OUT.csv DIR_OR_SIGNALS.parquet [SCORES.csv...].

DIR is of a run, SIGNALS what the reducer `early_signals` makes of it. SCORES has the columns that number their rows
(the fields that vary, seed and realization) and `score`, a number that is the larger the earlier the row is foretold to
grok; it needs the rows of part `judge` that are usable. The table has a line for each predictor and scope, those of the
reducer `predictor`, on the rows of part `judge` alone. The first predictors are baselines, fitted to part `learn` by
least squares of the rank of t on signals, logarithms of those that are positive, and squares; `cell` says the mean rank
of the same fields.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from sweepjax.reducers.early_signals import EarlySignals
from sweepjax.reducers.predictor import Paired, area, rank_correlation, strata
from sweepjax.store.rows import scan

INDEX = ["seed", "realization"]
FIELDS = ["fraction", "learning_rate", "weight_decay"]
HJORTH = ["hjorth.activity", "hjorth.mobility", "hjorth.complexity"]
BASELINES = {
    "learning rate": ["learning_rate"],
    "fields": FIELDS,
    "Hjorth's three": HJORTH,
    "Hjorth's three of log loss": [name.replace(".", ".log_") for name in HJORTH],
    "train loss": ["train_loss"],
    "test loss": ["test_loss"],
    "norm": ["weight_norm", "norm"],
    "fields and Hjorth's three": [*FIELDS, *HJORTH],
    "fields and train loss": [*FIELDS, "train_loss"],
    "fields, losses, accuracies, norm": [*FIELDS, "train_loss", "test_loss", "test_accuracy", "weight_norm", "norm"],
}


def main(out: str, signals: str, *submitted: str) -> None:
    """Write the table."""
    rows = pd.read_parquet(signals) if signals.endswith(".parquet") else EarlySignals()(scan([signals]))
    rows = rows[rows["usable"]].reset_index(drop=True)
    rows["t"] = rows["t"].fillna(np.inf)
    judged = (rows["part"] == "judge").to_numpy()
    scores = {
        name: fitted(rows, [each for each in names if each in rows], ~judged) for name, names in BASELINES.items()
    }
    scores["cell"] = cells(rows, ~judged)
    for path in submitted:
        if (name := Path(path).stem) in scores:
            sys.exit(f"{path}: there is a predictor of the name {name!r} already; give the file another")
        scores[name] = read(rows, path, judged)
    lines = [line for name, score in scores.items() for line in judge(rows[judged], name, score[judged])]
    pd.DataFrame(lines).to_csv(out, index=False, float_format="%.4g")


def fitted(rows: pd.DataFrame, names: list[str], learn: np.ndarray) -> np.ndarray:
    """Return how early rows are foretold to be by a sum of quadratics, fitted to those to learn from."""
    values = rows[names].to_numpy(float)
    positive = (values > 0).all(axis=0)
    values = np.where(positive, np.log(np.where(positive, values, 1)), values)
    values = (values - values[learn].mean(axis=0)) / np.maximum(values[learn].std(axis=0), 1e-12)
    matrix = np.column_stack([np.ones(len(values)), values, values**2])
    ranks = rankdata(rows["t"][learn])
    return -matrix @ np.linalg.lstsq(matrix[learn], ranks, rcond=None)[0]


def cells(rows: pd.DataFrame, learn: np.ndarray) -> np.ndarray:
    """Return how early rows of the same fields are on average."""
    known = rows[learn].assign(rank=rankdata(rows["t"][learn]))
    means = known.groupby(FIELDS)["rank"].mean().rename("mean")
    return -rows.join(means, on=FIELDS)["mean"].fillna(known["rank"].mean()).to_numpy(float)


def read(rows: pd.DataFrame, path: str, judged: np.ndarray) -> np.ndarray:
    """Return the scores of a file; end where a row that judges has no score, or more than one."""
    keys = [name for name in (*FIELDS, *INDEX) if name in rows]
    if not Path(path).is_file():
        sys.exit(f"there is no {path}; give a table of scores")
    given = pd.read_csv(path)
    lacking = [name for name in (*keys, "score") if name not in given]
    if lacking or not pd.api.types.is_numeric_dtype(given["score"]) or given.duplicated(keys).any():
        wanted = f"one line of numbers for each row, with the columns {', '.join((*keys, 'score'))}"
        sys.exit(f"{path} is no table of scores; give {wanted}")
    found = (
        rows[keys].merge(given[[*keys, "score"]], on=keys, how="left", validate="one_to_one")["score"].to_numpy(float)
    )
    missing = int(np.isnan(found[judged]).sum())
    if missing:
        sys.exit(f"{path} lacks a score of {missing} rows of part judge; give one for each usable row of it")
    return found


def judge(rows: pd.DataFrame, name: str, score: np.ndarray) -> list[dict[str, object]]:
    """Return the lines of a predictor: over all rows, and within rows that agree in fields."""
    scopes = {"pooled": [], "learning_rate": ["learning_rate"], "all of them": FIELDS}
    time, draw = rows["t"].to_numpy(float), numbered(rows, INDEX)
    lines = []
    for within, fields in scopes.items():
        pairs = Paired(score, time, np.isfinite(time), numbered(rows, fields), draw)
        counts = {"rows": len(rows), "early": int(pairs.early.sum())}
        lines.append({"predictor": name, "within": within} | area(pairs) | rank_correlation(pairs) | counts)
    return lines


def numbered(rows: pd.DataFrame, fields: list[str]) -> np.ndarray:
    """Number the rows that agree in some fields."""
    return strata([rows[field].to_numpy(float) for field in fields], len(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
