"""Every verb on every kind of rows."""

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sweepjax_cli import app
from test_object_storage import BUCKET, client  # noqa: F401  a fixture

import sweepjax as sj
from sweepjax.store.paths import locate

TRAINED = ["--n", "12", "--lambda", "0.5", "--record", "3"]
TABLE = ["--set", "p=5", "--set", "width=4"]
KINDS = {
    "limit": ["--n", "12", "--lambda", "0.25,0.75"],
    "flow": ["--solver", "gradient_flow", *TRAINED, "--until", "10", "--observe", "weight_norm,projection_histogram"],
    "steps": ["--solver", "adam", *TRAINED, "--until", "8", "--set", "batch_size=4"],
    "corrected": ["--solver", "gradient_descent", "--set", "mode=corrected", *TRAINED, "--until", "300"],
    "exact": ["--model", "two_point", "--solver", "exact", "--set", "lam=0.4,0.6", "--record", "3", "--until", "10"],
    "stopped": ["--solver", "sgd", *TRAINED, "--until", "60", "--record", "9", "--stop", "train_accuracy>=0.7 last 2"],
    "table": ["--model", "quadratic_modular", "--solver", "adamw", *TABLE, "--record", "3", "--until", "8"],
    "own": ["--model", "own:Own", "--solver", "sgd", "--set", "scale=1,2", "--record", "3", "--until", "5"],
    "bucket": ["--solver", "probe:Bits", "--n", "12", "--lambda", "0.5"],
}
SAMPLES = {"exact": 2, "table": 4, "own": 6}
LIMITED = ("limit", "bucket")


class Run:
    """Two parts of a run and the whole that they make, and where pictures of it go."""

    def __init__(self, kind, home):
        self.kind, self.home = kind, home
        base = f"s3://{BUCKET}/{kind}" if kind == "bucket" else home
        self.parts, self.whole = [f"{base}/{name}" for name in ("one", "two")], f"{base}/whole"

    def does(self, *arguments):
        return app([*map(str, arguments)]) == 0

    def picture(self, name):
        return str(self.home / name)


LONG = ("limit", "corrected", "exact", "flow", "bucket")  # to compile, or to reach


@pytest.fixture(
    scope="module", params=[pytest.param(kind, marks=[pytest.mark.slow] if kind in LONG else []) for kind in KINDS]
)
def run(request, tmp_path_factory):
    if request.param == "bucket":
        request.getfixturevalue("client")
    made = Run(request.param, tmp_path_factory.mktemp(request.param))
    options = [*KINDS[made.kind], "--realizations", "4", "--chunk", "2"]
    for number, part in enumerate(made.parts, 1):
        assert made.does("run", *options, "--part", f"{number}/2", "-o", part)
    assert made.does("merge", *made.parts, "-o", made.whole)
    return made


def rows(path):
    frame = sj.read(path)
    return frame.sort_values([name for name in ("lam", "scale", "realization") if name in frame], ignore_index=True)


def test_the_parts_are_merged_into_every_row_once(run):
    whole = rows(run.whole)
    assert len(whole) == sum(len(rows(part)) for part in run.parts)
    assert not whole.duplicated([name for name in ("lam", "scale", "realization") if name in whole]).any()


def test_run_finds_every_row_stored_and_computes_none(run, capsys):
    assert run.does("run", f"{run.whole}/_sweep.toml", "-o", run.whole)
    assert f"{len(rows(run.whole))} of them stored before" in capsys.readouterr().err


def test_status_counts_the_rows(run, capsys):
    assert run.does("status", run.whole)
    count = len(rows(run.whole))
    assert f"{count} of {count}, 100 %" in capsys.readouterr().out


def test_verify_finds_every_row_again(run, capsys):
    assert run.does("verify", run.whole, "--recheck", 10)
    count = len(rows(run.whole))
    assert f"computed again: {count} rows, values that differ: 0" in capsys.readouterr().out


def test_merge_takes_equal_rows_once(run):
    again = f"{run.whole}-again"
    assert run.does("merge", run.whole, *run.parts, "-o", again)
    pd.testing.assert_frame_equal(rows(again), rows(run.whole))


def test_reduce_averages_what_is_measured(run, capsys):
    assert run.does("reduce", run.whole, "mean")
    table = capsys.readouterr().out.splitlines()
    assert "column" in table[0]
    assert len(table) > 1


def test_plot_draws_what_suits_the_rows(run):
    assert run.does("plot", run.whole, "-o", run.picture("plot.png"))


@pytest.mark.slow
def test_report_is_a_page(run):
    assert run.does("report", run.whole, "-o", run.picture("report.html"))


def test_explore_is_a_page(run):
    assert run.does("explore", run.whole, "-o", run.picture("explore.html"))


def test_the_dataset_of_a_row_is_drawn_again(run):
    data = sj.dataset(sj.read(run.whole).iloc[1])
    assert len(getattr(data, "x", data)) == SAMPLES.get(run.kind, 12)


def test_every_column_says_what_it_is(run):
    file = next(path for path in locate(run.whole).iterdir() if path.suffix == ".parquet")
    with file.open("rb") as opened:
        schema = pq.read_schema(opened)
    kinds = {field.name: field.metadata[b"sweepjax.kind"].decode() for field in schema}
    assert kinds["model"] == kinds["realization"] == "label"
    assert ({"clock", "curve"} <= set(kinds.values())) == (run.kind not in LIMITED)


def test_a_vector_is_reduced_along_its_own_axis(run, capsys):
    if run.kind == "own":
        assert run.does("reduce", run.whole, "mean", "--column", "spectrum", "--by", "scale")
        assert capsys.readouterr().out.split()[:3] == ["scale", "column", "index"]
