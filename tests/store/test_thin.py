"""`merge --column` keeps a small run: some columns, large files, rows that add up like any others."""

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sweepjax_cli import app
from tampering import chunks, copied, edited, everything, rewritten

import sweepjax as sj
from sweepjax.store import thin
from sweepjax.store.chunkfile import encode

SWEEP = ["run", "--n", "20", "--solver", "probe:Thirds", "--lambda", "0.4,0.5"]


def run(path, *options):
    assert app([*SWEEP, *options, "-o", str(path)]) == 0


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Twenty draws of two points, cut in files of 8 and of 5 rows, and the first ten of them."""
    home = tmp_path_factory.mktemp("runs")
    run(home / "eight", "--chunk", "8", "--realizations", "20")
    run(home / "five", "--chunk", "5", "--realizations", "20")
    run(home / "short", "--chunk", "8", "--realizations", "10")
    return home


@pytest.fixture
def place(home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("eight", "five", "short"):
        copied(home / name, Path(name))
    return tmp_path


def thinned(*sources, out="c", chunk="16"):
    return app(["merge", *sources, "-o", out, "--column", "third", "--chunk", chunk])


def test_it_keeps_labels_and_the_column_in_single_precision(place):
    assert thinned("eight") == 0
    whole, kept = sj.read("eight"), sj.read("c")
    assert "third" in kept
    assert len(kept.columns) < len(whole.columns)
    assert str(kept["third"].dtype) == "float32"
    order = ["lam", "realization"]
    labels = ["model", "solver", "lam", "n", "d", "seed", "realization"]
    both = [frame.sort_values(order).reset_index(drop=True) for frame in (whole, kept)]
    assert both[0][labels].equals(both[1][labels])
    assert both[1]["third"].equals(both[0]["third"].astype("float32"))


def test_files_are_as_long_as_was_asked(place):
    thinned("eight")
    assert sorted(pq.read_metadata(file).num_rows for file in chunks(Path("c"))) == [4, 4, 16, 16]


@pytest.mark.slow
def test_it_is_sound_and_its_rows_are_found_again(place, capsys):
    thinned("eight")
    capsys.readouterr()
    assert app(["verify", "c", "--recheck", "3"]) == 0
    assert capsys.readouterr().out.startswith("40 rows in 4 files are sound")


def test_runs_that_are_cut_differently_make_the_same_rows(place):
    thinned("eight", out="c")
    thinned("five", out="d")
    tables = [pq.read_table("c"), pq.read_table("d")]
    assert tables[0].equals(tables[1])


def test_parts_of_different_days_add_up(place):
    thinned("short")
    thinned("eight", out="c")
    thinned("eight", out="d")
    assert pq.read_table("c").equals(pq.read_table("d"))
    assert everything(Path("c")) == everything(Path("d"))


def test_small_runs_are_merged_like_any_run(place):
    thinned("short", out="a")
    thinned("eight", out="b")
    assert app(["merge", "a", "b", "-o", "c"]) == 0
    assert everything(Path("c")) == everything(Path("b"))


def test_rows_that_contradict_each_other_are_refused(place, capsys):
    rewritten(chunks(Path("five"))[0], edited("third", lambda value: value + 1, row=1))
    capsys.readouterr()
    assert app(["merge", "eight", "five", "-o", "c", "--column", "third"]) == 4
    assert "third of row 1 is" in capsys.readouterr().err
    assert not Path("c").exists()


def test_a_row_waits_for_those_before_it(place, capsys):
    chunks(Path("eight"))[0].unlink()
    capsys.readouterr()
    assert thinned("eight", chunk="20") == 0
    said = capsys.readouterr().err
    assert "20 of 40 rows in 1 file; 20 rows are missing; run them into another directory" in said
    assert "12 rows are not kept, since rows before them in their chunk are missing; merge them again" in said
    assert thinned("eight", "five", chunk="20") == 0
    assert "not kept" not in capsys.readouterr().err


def test_a_longer_file_that_another_merge_puts_meanwhile_stays(place, monkeypatch):
    def overtaken(rows, entries):
        monkeypatch.undo()
        os.chdir(place)
        assert thinned("eight", chunk="8") == 0
        return encode(rows, entries)

    monkeypatch.setattr(thin, "encode", overtaken)
    assert thinned("short", chunk="8") == 0
    assert len(sj.read("c")) == 40


def test_a_run_does_not_go_on_where_columns_are_missing(place, capsys):
    thinned("short")
    capsys.readouterr()
    assert app([*SWEEP, "--realizations", "20", "-o", "c"]) == 4
    assert "run into another directory, and `sweepjax merge` it with `--column" in capsys.readouterr().err


def test_an_unknown_column_is_refused(place, capsys):
    assert app(["merge", "eight", "-o", "c", "--column", "nothing"]) == 2
    assert "has no column nothing; choose of: " in capsys.readouterr().err
    assert not Path("c").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--chunk", "8"], "--chunk cuts files anew, which needs --column"),
        (["--column", "a,,b"], "give names of columns, joined by commas"),
        (["--column", "lam", "--chunk", "0"], "give a whole number from 1"),
    ],
)
def test_options_without_sense_are_refused(place, capsys, options, words):
    assert app(["merge", "eight", "-o", "c", *options]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_an_observed_column_is_kept_like_any_other(place, capsys):
    assert app(["observe", "eight", "mean_norm"]) == 0
    assert app(["merge", "eight", "-o", "c", "--column", "third,mean_norm"]) == 0
    order = ["lam", "realization"]
    whole, kept = (sj.read(name).sort_values(order).reset_index(drop=True) for name in ("eight", "c"))
    assert kept["mean_norm"].equals(whole["mean_norm"].astype("float32"))
    assert app(["merge", "c", "-o", "d"]) == 0
    capsys.readouterr()
    assert app(["verify", "d", "--recheck", "3"]) == 0
    assert "values that differ: 0" in capsys.readouterr().out


def test_rows_that_were_not_observed_are_not_kept_as_missing_values(place, capsys):
    assert app(["observe", "short", "mean_norm"]) == 0
    assert app(["merge", "short", "eight", "-o", "long"]) == 0
    capsys.readouterr()
    assert app(["merge", "long", "-o", "c", "--column", "mean_norm"]) == 2
    assert "lacks " in (said := capsys.readouterr().err)
    assert "`sweepjax observe long mean_norm` goes on with them" in said
    assert not Path("c").exists()


def test_a_column_that_nobody_observed_is_asked_for(place, capsys):
    assert app(["merge", "eight", "-o", "c", "--column", "mean_norm"]) == 2
    assert "has no column mean_norm; choose of: model, " in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("column", ["margin", "separable", "lam", "s_norm,separable"])
def test_rows_of_few_columns_are_found_again_by_scipy_too(column, here, capsys):
    """What was not kept is computed again."""
    limit = ["--n", "12", "--lambda", "0.3,0.7", "--realizations", "6"]
    assert app(["run", *limit, "-o", "a"]) == 0
    assert app(["merge", "a", "-o", "c", "--column", column]) == 0
    capsys.readouterr()
    assert app(["verify", "c", "--recheck", "4"]) == 0
    assert "values that differ: 0" in capsys.readouterr().out
