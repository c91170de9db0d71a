"""`sweepjax status --watch`: a directory seen while others fill it."""

import io
import json
import subprocess
import sys
import time
from dataclasses import asdict

import pytest
from rich.console import Console
from stored_runs import LIMIT, curves_run, limit_run
from sweepjax_cli import _watch, app

from sweepjax.look import Watcher
from sweepjax.store.beats import COMPILING, SILENT, Beat, Pulse, beats, failure
from sweepjax.store.leftovers import HOST


def put(path, **told):
    beat = Beat(**{"host": "node7", "process": 1, "device": "cpu", "time": time.time()} | told)
    (path / f"_worker-{beat.host}-{beat.process}.json").write_text(json.dumps(asdict(beat)))


def printed(path):
    console = Console(file=io.StringIO(), width=120)
    console.print(_watch.page(Watcher(path).look(), "title"))
    return console.file.getvalue()


@pytest.fixture
def half(tmp_path):
    return limit_run(tmp_path / "run", stored=4)


def test_a_complete_run_is_one_line_in_a_log(tmp_path, capsys):
    assert app(["status", str(limit_run(tmp_path / "run")), "--watch"]) == 0
    title, line = capsys.readouterr().out.splitlines()
    assert "solver limit" in title
    assert f"{LIMIT.rows_total} of {LIMIT.rows_total} rows" in line
    assert "separable" in line


def test_rows_that_arrive_are_counted_and_give_a_rate(half, monkeypatch):
    watcher = Watcher(half)
    first, now = watcher.look(), time.monotonic()
    limit_run(half)
    monkeypatch.setattr("time.monotonic", lambda: now + 10)
    second = watcher.look()
    assert second.rows == LIMIT.rows_total
    assert second.rate == pytest.approx((second.rows - first.rows) / 10, rel=0.1)


def test_watching_ends_when_the_last_row_is_there(half, monkeypatch, capsys):
    monkeypatch.setattr("time.sleep", lambda seconds: limit_run(half))
    assert app(["status", str(half), "--watch"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_ctrl_c_leaves_without_a_complaint(half, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    assert app(["status", str(half), "--watch"]) == 0


def test_the_page_shows_workers_and_those_that_are_silent(half):
    put(half, doing="computing", computed=30, seconds=2)
    put(half, process=2, time=time.time() - SILENT - 10)
    page = printed(half)
    assert "node7:1" in page
    assert "15" in page
    assert "silent for" in page


def test_a_process_that_compiles_says_nothing_for_minutes_and_is_not_called_silent(half):
    put(half, doing="compiling", time=time.time() - SILENT - 10)
    assert "silent" not in printed(half)
    put(half, doing="compiling", time=time.time() - COMPILING - 10)
    assert "silent for" in printed(half)


def test_the_page_shows_failures_by_the_line_that_says_what_went_wrong(half):
    text = 'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: a loss of -1\n'
    put(half, failures=[failure(text)], ended=True)
    assert "node7: ValueError: a loss of -1" in printed(half)


def test_the_page_shows_the_main_number_with_its_error(half, tmp_path):
    assert "separable" in printed(half)
    assert "±" in printed(half)
    assert "train_loss" in printed(curves_run(tmp_path / "curves"))


def test_an_empty_directory_is_watched_as_well(tmp_path):
    assert f"0 of {LIMIT.rows_total} rows" in printed(limit_run(tmp_path / "run", stored=0))


def test_a_process_removes_what_it_said_unless_it_has_failures_to_show(half):
    one, other = Pulse(half, "cpu", "1/1"), Pulse(half, "cpu", "1/1")
    one.fail("first")
    assert beats(half)[0].failures == ["first"]
    one.end()
    assert beats(half)[0].ended
    other.end()
    assert not beats(half)


@pytest.mark.parametrize("field", ["time", "host", "process", "failures", "computed"])
def test_what_says_something_of_another_kind_is_no_process(half, field):
    Pulse(half, "cpu", "1/1").fail("ValueError: bad")
    (file,) = half.glob("_worker-*.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: {}}))
    assert not beats(half)
    Pulse(half, "cpu", "1/1").end()


def test_what_a_process_says_is_no_row_and_no_fault(half, capsys):
    put(half)
    assert app(["verify", str(half)]) == 0


def test_a_directory_that_holds_no_sweep_is_refused(tmp_path):
    assert app(["status", str(tmp_path), "--watch"]) == 2


def test_a_complete_run_shows_no_process_that_was_killed_on_the_way(tmp_path, capsys):
    run = limit_run(tmp_path / "run")
    put(run, time=time.time() - SILENT - 10)
    assert "silent" not in printed(run)
    assert app(["status", str(run), "--watch"]) == 0
    assert "silent" not in capsys.readouterr().out


def test_what_a_killed_process_said_is_removed_by_the_next_on_its_host(half):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    put(half, host=HOST, process=ended.pid)
    put(half, host="elsewhere", process=ended.pid)
    Pulse(half, "cpu", "1/1").end()
    assert [beat.host for beat in beats(half)] == ["elsewhere"]
