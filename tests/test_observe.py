"""New columns of finished rows."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from stored_runs import LIMIT, limit_run
from sweepjax_cli import app
from tampering import flipped
from test_object_storage import BUCKET, client  # noqa: F401  a fixture

import sweepjax as sj
from sweepjax import sources
from sweepjax.reducers.mean import Mean
from sweepjax.store.beside import keep
from sweepjax.store.paths import locate
from sweepjax.store.rows import scan
from sweepjax.store.store import Store

INDEX = ["lam", "realization"]
SMALL = {"solver": "sgd", "n": 12, "lam": "0.5", "until": 1, "record": "2", "realizations": 4}


def does(*arguments):
    return app([*map(str, arguments)])


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    run = limit_run(tmp_path_factory.mktemp("seen") / "run")
    assert does("observe", run, "mean_norm") == 0
    return run


@pytest.fixture
def copy(seen, tmp_path):
    assert does("merge", seen, "-o", tmp_path / "copy") == 0
    return tmp_path / "copy"


def columns(run):
    return sorted(run.glob("_mean_norm-*.observed"))


def test_a_new_column_is_computed_from_the_dataset_of_each_row(seen):
    for _, row in sj.read(seen).sample(5, random_state=0).iterrows():
        x = np.asarray(sj.dataset(row).x, dtype=np.float64)
        assert row["mean_norm"] == pytest.approx(np.linalg.norm(x.mean(axis=0)), rel=1e-12)


@pytest.mark.slow
def test_its_bits_are_those_that_the_run_would_have_given_it(tmp_path):
    asked = sj.run(**SMALL, observe="mean_norm,gram_extremes")
    sj.run(**SMALL, out=tmp_path / "run")
    assert does("observe", tmp_path / "run", "gram_extremes", "mean_norm") == 0
    pd.testing.assert_frame_equal(sj.read(tmp_path / "run")[list(asked)], asked, check_exact=True)


def test_readers_that_know_no_sweepjax_see_the_chunks_alone(seen):
    assert "mean_norm" not in pd.read_parquet(seen)
    assert pl.read_parquet(f"{seen}/*.parquet").height == LIMIT.rows_total


def test_reducers_see_one_table(seen):
    means = Mean(column="mean_norm", by="lam")(scan([seen]))["mean"]
    assert means.tolist() == pytest.approx(np.sqrt([0.3, 0.4, 0.5, 0.6, 0.7]), rel=0.1)


@pytest.mark.slow
def test_a_report_has_the_column(seen, tmp_path):
    assert does("report", seen, "-o", tmp_path / "report.html") == 0
    assert "mean_norm" in (tmp_path / "report.html").read_text()


def test_what_is_there_is_not_computed_again(copy, capsys):
    gone, *others = columns(copy)
    before = [file.stat().st_mtime_ns for file in others]
    gone.unlink()
    rows = len(pq.read_table(copy / f"{gone.stem.partition('-')[2]}.parquet"))
    assert does("observe", copy, "mean_norm") == 0
    assert f"{rows} rows observed" in capsys.readouterr().err
    assert [file.stat().st_mtime_ns for file in others] == before
    assert sj.read(copy)["mean_norm"].notna().all()


def test_rows_that_an_extension_adds_are_null_until_they_are_observed(copy, capsys):
    store = Store.open(copy)
    tail = columns(copy)[0]
    short = pq.read_table(tail).slice(0, 3)
    tail.unlink()
    keep(tail, short, {"observed": "mean_norm", "chunk": tail.stem.partition("-")[2]})
    assert sj.read(copy)["mean_norm"].isna().sum() == store.chunk_rows - 3
    assert does("verify", copy) == 0
    assert f"lacks {store.chunk_rows - 3} rows" in capsys.readouterr().out
    assert does("observe", copy, "mean_norm") == 0
    assert sj.read(copy)["mean_norm"].notna().all()


def test_a_merge_brings_the_columns_along(seen, copy):
    pd.testing.assert_frame_equal(sj.read(copy), sj.read(seen), check_exact=True)


def test_columns_that_contradict_each_other_are_not_merged(seen, copy, capsys):
    file = columns(copy)[0]
    table = pq.read_table(file)
    other = table.set_column(0, table.schema.field(0), [[value + 1 for value in table.column(0).to_pylist()]])
    file.unlink()
    keep(file, other, {"observed": "mean_norm", "chunk": file.stem.partition("-")[2]})
    assert does("merge", seen, copy, "-o", copy.parent / "both") == 4
    assert "mean_norm is" in capsys.readouterr().err


def test_a_damaged_column_is_named_and_repaired(copy, capsys):
    file = columns(copy)[0]
    file.write_bytes(flipped(file.read_bytes(), 40))
    assert does("verify", copy) == 5
    assert columns(copy)[0].name in capsys.readouterr().out
    assert does("verify", copy, "--repair") == 0
    assert does("observe", copy, "mean_norm") == 0
    assert does("verify", copy) == 0


@pytest.mark.parametrize("damage", ["truncated", "flipped", "foreign"])
def test_observe_and_readers_name_a_damaged_column_and_say_what_to_do(copy, damage, capsys):
    one, other = columns(copy)[:2]
    data = one.read_bytes()
    broken = {"truncated": data[:100], "flipped": flipped(data, 40), "foreign": other.read_bytes()}
    one.write_bytes(broken[damage])
    assert does("observe", copy, "mean_norm") == 5
    said = capsys.readouterr().err
    assert one.name in said
    assert "observe it again" in said
    assert does("reduce", copy, "mean", "--column", "mean_norm") == 5
    assert does("verify", copy) == 5
    assert one.name in capsys.readouterr().out


@pytest.mark.slow
def test_columns_may_be_joined_by_commas_as_those_of_a_run(copy, capsys):
    assert does("observe", copy, "mean_norm,gram_extremes") == 0
    assert sj.read(copy)["gram_extremes"].notna().all()


def test_status_says_how_many_rows_have_it(seen, capsys):
    assert does("status", seen) == 0
    assert f"mean_norm, of {LIMIT.rows_total} rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["weight_norm"], "solver 'limit' has none"),
        (["nonsense"], "unknown observable"),
        (["s_norm"], "unknown observable"),
        (["mean_norm:power=2"], "no options"),
    ],
)
def test_what_cannot_be_observed_of_finished_rows_is_refused(seen, names, said, capsys):
    assert does("observe", seen, *names) == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_the_path_of_a_training_is_refused_with_what_it_costs_to_run_it_again(tmp_path, capsys):
    sj.run(**SMALL, out=tmp_path / "run")
    assert does("observe", tmp_path / "run", "weight_norm") == 2
    said = capsys.readouterr().err
    assert "for 4 rows" in said
    assert "--observe weight_norm" in said


@pytest.mark.slow
def test_a_column_that_the_run_has_already_is_refused(tmp_path, capsys):
    sj.run(**SMALL, observe="mean_norm,gram_extremes", out=tmp_path / "run")
    assert does("observe", tmp_path / "run", "mean_norm") == 2
    assert "already" in capsys.readouterr().err


@pytest.mark.slow
def test_rows_are_found_again_with_their_new_columns(tmp_path):
    sj.run(**SMALL, out=tmp_path / "run")
    assert does("observe", tmp_path / "run", "mean_norm") == 0
    assert does("verify", tmp_path / "run", "--recheck", "2") == 0


@pytest.mark.slow
def test_columns_in_a_bucket_are_seen_as_well(client):  # noqa: F811
    run = locate(f"s3://{BUCKET}/observed")
    limit_run(run)
    assert does("observe", run, "mean_norm") == 0
    assert sj.read(run)["mean_norm"].notna().all()
    assert does("verify", run) == 0


EDITED = """
from sweepjax import plugin

@plugin
class Edited:
    def fact(self, problem):
        return 0 * problem.data.x[0, 0] + 1.0
"""
SHAPED = EDITED.replace("0 * problem.data.x[0, 0] + 1.0", "problem.data.x.sum(axis=0)").replace("Edited", "Shaped")


def written(name, text):
    """Write a plug-in as a process of its own would meet it."""
    Path(f"{name}.py").write_text(text)
    sys.modules.pop(name, None)
    sources.source_hash.cache_clear()


@pytest.fixture
def place(here, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield here
    for name in ("edited", "shaped"):
        sys.modules.pop(name, None)


def test_a_column_of_two_codes_is_refused_and_found(place, capsys):
    limit_run(place / "run")
    limit_run(place / "half", stored=2)
    written("edited", EDITED)
    assert does("observe", "half", "edited:Edited") == 0
    written("edited", EDITED.replace("+ 1.0", "+ 2.0"))
    capsys.readouterr()
    assert does("observe", "half", "edited:Edited") == 4
    assert "Edited of half is of other code (edited:Edited " in capsys.readouterr().err
    assert does("observe", "run", "edited:Edited") == 0
    assert does("merge", "half", "run", "-o", "both") == 4
    assert "is of the code edited:Edited " in capsys.readouterr().err
    assert not Path("both").exists()
    for file in Path("half").glob("_Edited-*.observed"):
        file.rename(Path("run") / file.name)
    assert does("verify", "run") == 5
    assert "was observed by other code (edited:Edited " in capsys.readouterr().out


def test_a_column_whose_shape_depends_on_the_point_is_refused_before_it_is_computed(place, capsys):
    written("shaped", SHAPED)
    limit_run(place / "run")
    for arguments in (["observe", "run"], ["run", "--n", "20", "--lambda", "0.3,0.5", "-o", "new", "--observe"]):
        assert does(*arguments, "shaped:Shaped") == 2
        said = capsys.readouterr().err
        assert "Shaped has the shape [" in said
        assert "] at d = " in said
    assert not [*Path("run").glob("*.observed")]
    assert not [*Path("new").glob("*.parquet")]
