import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import SCRIPT
from stored_runs import curves_run
from sweepjax_cli import app

import sweepjax as sj
from sweepjax.store.store import Store
from sweepjax.sweep.sweep import Sweep

POINT = ["--n", "20", "--lambda", "0.5"]
LONG = [*SCRIPT, "run", *POINT, "--realizations", "1600", "--chunk", "32", "-o"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "run"
    assert app(["run", *POINT, "--realizations", "24", "--chunk", "8", "-o", str(path)]) == 0
    return path


def same_rows(a, b):
    """Whether two runs hold the same rows, every column to the last bit."""
    frames = [sj.read(path).sort_values(["n", "d", "seed", "realization"], ignore_index=True) for path in (a, b)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    return True


def last_line(capsys):
    return capsys.readouterr().err.splitlines()[-1]


@pytest.mark.slow
def test_the_directory_is_all_that_run_prints_on_stdout(here, capsys):
    assert app(["run", "--n", "22", "--lambda", "0.5", "--realizations", "8", "-o", "a"]) == 0  # compiled nowhere else
    out, err = capsys.readouterr()
    assert out == "a\n"
    assert "lam 0.5" in err
    assert "compiling" in err
    assert re.search(r"8 rows in .* s, .* rows/s; 0 uncertified", err)


@pytest.mark.slow
def test_the_default_directory_is_named_after_the_sweep(here, capsys):
    assert app(["run", *POINT, "--realizations", "8"]) == 0
    assert capsys.readouterr().out == f"results/logistic-limit-{Sweep().replaced(n=20, lam=0.5).id}\n"


def test_the_same_command_again_computes_nothing(stored, capsys):
    before = {file.name: file.stat().st_mtime_ns for file in stored.iterdir()}
    assert app(["run", *POINT, "--realizations", "24", "-o", str(stored)]) == 0
    assert "24 rows (24 of them stored before); 0 uncertified" in last_line(capsys)
    assert {file.name: file.stat().st_mtime_ns for file in stored.iterdir()} == before


def test_the_record_of_a_run_repeats_it(stored, here):
    assert app(["run", str(stored / "_sweep.toml"), "-o", "again"]) == 0
    assert same_rows(stored, "again")


def test_options_come_before_the_file_and_the_preset(here, capsys):
    Path("sweep.toml").write_text('lambda = "0.4:0.6"\nn = 30\nrealizations = 4\n')
    assert app(["run", "sweep.toml", *POINT, "-o", "a"]) == 0
    assert sj.read("a").groupby(["n", "d"]).size().to_dict() == {(20, 10): 4}
    assert app(["run", "--preset", "margins", *POINT, "--realizations", "2", "-o", "b"]) == 0
    assert sj.read("b").groupby(["n", "d"]).size().to_dict() == {(20, 10): 2}


def test_more_realizations_extend_a_run(stored, here):
    for count in ("5", "24"):
        assert app(["run", *POINT, "--realizations", count, "--chunk", "8", "-o", "a"]) == 0
    assert same_rows(stored, "a")


def test_the_parts_of_a_run_make_the_whole(stored, here, capsys):
    command = ["run", *POINT, "--realizations", "24", "--chunk", "8", "-o", "a", "--part"]
    assert app([*command, "2/2"]) == 0
    assert len(sj.read("a")) == 8
    assert app([*command, "1/2"]) == 0
    assert "16 rows in" in last_line(capsys)
    assert same_rows(stored, "a")


def test_the_chunk_size_does_not_change_the_rows(stored, here, capsys):
    assert app(["run", *POINT, "--realizations", "24", "--chunk", "5", "--batch", "1", "-o", "a"]) == 0
    assert same_rows(stored, "a")
    assert app(["run", *POINT, "--realizations", "24", "--chunk", "7", "-o", "a"]) == 0
    assert "keeps its chunks of 5 rows" in capsys.readouterr().err


def test_a_field_is_set_by_name(here):
    assert app(["run", *POINT, "--realizations", "2", "--set", "init_norm=0.1,0.2", "--set", "seed=3", "-o", "a"]) == 0
    frame = sj.read("a")
    assert sorted(frame["init_norm"]) == [0.1, 0.1, 0.2, 0.2]
    assert set(frame["seed"]) == {3}


def test_uncertified_rows_are_counted_and_make_the_exit_code_3(stored, here, capsys):
    sweep = Sweep.from_toml((stored / "_sweep.toml").read_text()).replaced(realizations=4)
    (chunk,) = sweep.chunks(8)
    frame = sj.read(stored).sort_values("realization").head(4).assign(certified=[True, False, True, False])
    columns = {name: np.ma.masked_invalid(v) if v.dtype == float else v for name, v in _arrays(frame)}
    Store(Path("a"), sweep, 8).create().write(chunk, columns)
    assert app(["run", *POINT, "--realizations", "4", "-o", "a"]) == 3
    assert "2 uncertified" in last_line(capsys)
    assert app(["status", "a"]) == 0
    assert re.search(r"uncertified +2\n", capsys.readouterr().out)


def test_a_part_answers_for_its_own_rows(stored, here, capsys):
    sweep = Sweep.from_toml((stored / "_sweep.toml").read_text()).replaced(realizations=16)
    store = Store(Path("a"), sweep, 8).create()
    frame = sj.read(stored).sort_values("realization", ignore_index=True)
    for number, chunk in enumerate(sweep.chunks(8)):
        rows = frame[8 * number : 8 * number + 8].assign(certified=number == 1)
        store.write(chunk, {name: np.ma.masked_invalid(v) if v.dtype == float else v for name, v in _arrays(rows)})
    assert app(["run", *POINT, "--realizations", "16", "-o", "a", "--part", "2/2"]) == 0
    assert "8 rows (8 of them stored before); 0 uncertified" in last_line(capsys)
    assert app(["run", *POINT, "--realizations", "16", "-o", "a", "--part", "1/2"]) == 3
    assert "8 uncertified" in last_line(capsys)


def test_of_trained_rows_nobody_says_that_they_are_uncertified(tmp_path, capsys):
    assert app(["status", str(curves_run(tmp_path / "a"))]) == 0
    assert "uncertified" not in capsys.readouterr().out


def _arrays(frame):
    return ((name, frame[name].to_numpy()) for name in frame)


def files(path):
    return sorted(file.name for file in Path(path).glob("*.parquet"))


def half_done(path):
    """A run in another process that has stored some of its chunks."""
    process = subprocess.Popen([*LONG, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(files(path)) < 3 and process.poll() is None:
        time.sleep(0.01)
    return process


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    path = tmp_path_factory.mktemp("straight") / "run"
    assert app([*LONG[len(SCRIPT) :], str(path)]) == 0
    return path


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was_and_ends_the_same(straight, tmp_path, capsys):
    process = half_done(tmp_path / "a")
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    held = len(sj.read(tmp_path / "a"))
    assert 0 < held < 1600
    assert app([*LONG[len(SCRIPT) :], str(tmp_path / "a")]) == 0
    assert f"1600 rows ({held} of them stored before)" in last_line(capsys)
    assert files(tmp_path / "a") == files(straight)
    assert same_rows(straight, tmp_path / "a")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_says_so_leaves_no_temporaries_and_goes_on(number, straight, tmp_path):
    process = half_done(tmp_path / "a")
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1].startswith("sweepjax: interrupted; run the same command again")
    assert 0 < len(files(tmp_path / "a")) < len(files(straight))
    assert not list((tmp_path / "a").glob("*.tmp"))
    assert app([*LONG[len(SCRIPT) :], str(tmp_path / "a")]) == 0
    assert same_rows(straight, tmp_path / "a")


IMPORTER = """\
import os, signal
try:
    os.kill(os.getpid(), signal.SIGUSR1)
except BaseException:
    raise ImportError from None
"""


def test_an_interruption_that_an_import_would_swallow_is_one_all_the_same(tmp_path):
    (tmp_path / "importer.py").write_text(IMPORTER)
    code = "import sys; from sweepjax_cli._errors import exit_code; sys.exit(exit_code(lambda: __import__('importer')))"
    found, command = os.environ | {"PYTHONPATH": str(tmp_path)}, [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, env=found, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.startswith("sweepjax: interrupted")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_an_interruption_does_not_wait_for_a_computation_of_minutes(tmp_path):
    training = ["--solver", "gradient_descent", "--n", "100", "--lambda", "0.4", "--until", "1e9", "--record", "2"]
    command = [*SCRIPT, "run", *training, "--realizations", "1", "-o", str(tmp_path / "a")]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    time.sleep(20)  # compiling takes two to five
    assert process.poll() is None
    process.terminate()
    assert process.wait(timeout=30) == 130
    assert not files(tmp_path / "a")


@pytest.mark.slow
def test_a_terminal_sees_a_bar(stored, here):
    leader, follower = pty.openpty()
    command = [*SCRIPT, "run", *POINT, "--realizations", "24", "-o", "a"]
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "150"}
    process = subprocess.Popen(command, stderr=follower, stdout=subprocess.DEVNULL, env=environment)
    os.close(follower)
    shown = b""
    while True:
        try:
            shown += os.read(leader, 4096)
        except OSError:
            break
    os.close(leader)
    assert process.wait() == 0
    assert "━".encode() in shown
    assert b"compiling" in shown
    assert b"24 rows in" in shown


def test_status_says_what_is_there(stored, capsys):
    (stored / "_left.tmp").touch()
    assert app(["status", str(stored)]) == 0
    (stored / "_left.tmp").unlink()
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line[0] != " ")
    assert lines["sweep"] == "model logistic, solver limit"
    assert lines["rows"] == "24 of 24, 100 %"
    assert lines["files"].startswith("3 of at most 8 rows")
    assert lines["leftovers"].startswith("1")


def test_reduce_prints_a_table_and_writes_it_in_full(stored, here, capsys):
    assert app(["reduce", str(stored), "separable_fraction"]) == 0
    out, err = capsys.readouterr()
    assert out.split()[:3] == ["lam", "n", "d"]
    assert "chi_square = " in err
    for name in ("t.csv", "t.parquet"):
        assert app(["reduce", str(stored), "mean", "--column", "iterations", "--set", "quantiles=50", "-o", name]) == 0
    pd.testing.assert_frame_equal(pd.read_csv("t.csv"), pd.read_parquet("t.parquet"))
    assert pd.read_csv("t.csv")["mean"].item() == sj.read(stored)["iterations"].mean()
    assert sorted(os.listdir()) == ["t.csv", "t.parquet"]  # noqa: PTH208  names, not paths


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_plot_draws_a_picture(suffix, stored, here, capsys):
    assert app(["plot", str(stored), "--figure", "separable_fraction", "-o", f"p.{suffix}"]) == 0
    assert capsys.readouterr().out == f"p.{suffix}\n"
    assert Path(f"p.{suffix}").stat().st_size > 5000


def test_theory_prints_every_digit(capsys):
    assert app(["theory", "margin", "--lambda", "0.55,0.6"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "lam,value"
    assert table[2] == f"0.6,{float(sj.theory.margin(0.6))!r}"


@pytest.mark.parametrize(("kind", "name"), [("models", "logistic"), ("presets", "margins"), ("figures", "projections")])
def test_list_says_a_line_on_each(kind, name, capsys):
    assert app(["list", kind]) == 0
    assert re.search(rf"^{name} +\w.+\.$", capsys.readouterr().out, re.MULTILINE)


def test_help_needs_neither_jax_nor_numpy():
    code = "import sys; from sweepjax_cli import app; app(['run', '--help']); print({'jax', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("set()\n")


@pytest.mark.slow
def test_run_is_the_function_whoever_imports_the_module_first():
    code = "import sweepjax as sj, sys; assert 'jax' not in sys.modules; import sweepjax.run; print(sj.run.__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "run\n"
    assert callable(sj.run)


def test_a_dataset_is_drawn_again_from_its_row(stored):
    row = sj.read(stored).iloc[3]
    data = sj.dataset(row)
    assert data.x.shape == (20, 10)
    assert bool((data.x @ np.ones(10) != 0).all())


def test_python_runs_what_the_command_runs(stored):
    pd.testing.assert_frame_equal(sj.run(0.5, n=20, realizations=24), sj.read(stored), check_exact=True)
