"""Rows of a plug-in whose module is not there: all that only reads them works, and says what it could not check."""

import sys

import pytest
from sweepjax_cli import app
from tampering import chunks, copied, edited, everything, flipped, rewritten

import sweepjax as sj

MODEL = '''
import jax, jax.numpy as jnp, sweepjax as sj

@sj.plugin
class Lines:
    """Least squares."""

    points: int = sj.parameter(5)
    scale: float = sj.parameter(1.0)

    def sample(self, key):
        return self.scale * jax.random.normal(key, (self.points, 3), jnp.float64)

    def init(self, key, data):
        return jnp.ones(3)

    def training_loss(self, params, data, batch=None):
        return jnp.mean((data @ params) ** 2)

    def metrics(self, params, data):
        return {"train_loss": self.training_loss(params, data)}
'''
RUN = ["run", "--model", "away:Lines", "--solver", "sgd", "--set", "scale=1,10", "--until", "5", "--record", "2"]


def forget(monkeypatch, home):
    monkeypatch.delitem(sys.modules, "away", raising=False)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(home)])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    path = tmp_path_factory.mktemp("home")
    (path / "away.py").write_text(MODEL)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(path)
        for name, realizations in (("whole", "3"), ("short", "2")):
            assert app([*RUN, "--realizations", realizations, "--chunk", "2", "-o", name]) == 0
        forget(monkeypatch, path)
    return path


@pytest.fixture
def run(home, tmp_path, monkeypatch):
    """Three files of two rows, seen from where there is no module."""
    monkeypatch.chdir(tmp_path)
    forget(monkeypatch, home)
    return copied(home / "whole", tmp_path / "run")


def said(capsys, command):
    capsys.readouterr()
    code = app(command.split())
    out, err = capsys.readouterr()
    return code, out, err


def test_a_reduction_keeps_the_points_of_a_sweep_apart(run, capsys):
    code, out, _ = said(capsys, "reduce run mean --column train_loss")
    assert code == 0
    assert out.split()[:2] == ["scale", "column"]
    assert len(out.splitlines()) == 5


def test_status_counts_the_rows_and_says_what_is_missing(run, capsys):
    code, out, _ = said(capsys, "status run")
    assert code == 0
    assert "model away:Lines, solver sgd" in out
    assert "cannot import 'away:Lines'" in out
    assert "6 of 6, 100 %" in out


def test_the_record_of_an_earlier_version_does_not_say_how_many_rows_are_planned(run, capsys):
    record = run / "_sweep.toml"
    record.write_text(record.read_text().replace("points = 2", ""))
    code, out, _ = said(capsys, "status run")
    assert code == 0
    assert "6 of unknown" in out
    assert said(capsys, "verify run")[0] == 0


def test_verify_checks_bytes_and_footers_and_says_that_it_did_no_more(run, capsys):
    code, out, _ = said(capsys, "verify run")
    assert code == 0
    assert "labels were not, since cannot import 'away:Lines'" in out
    assert "6 rows in 3 files are sound; faulty files: 0" in out


def test_verify_finds_a_damaged_byte_a_wrong_name_and_a_row_twice(run, capsys):
    first, second, third = chunks(run)
    first.write_bytes(flipped(first.read_bytes(), 100))
    second.rename(run / f"000000000000-{second.stem[-9:]}.parquet")
    rewritten(third, to=run / f"{third.stem[:12]}-000000005.parquet", chunk=f"{third.stem[:12]}-000000005", start="5")
    code, out, _ = said(capsys, "verify run")
    assert code == 5
    assert "2 rows in 1 file are sound; faulty files: 3" in out


def test_verify_finds_a_row_whose_footer_describes_other_tasks(run, capsys):
    file = chunks(run)[0]
    rewritten(file, family='{"model": {"name": "other"}, "solver": {"name": "sgd"}}')
    code, out, _ = said(capsys, "verify run")
    assert code == 5
    assert "describes other tasks" in out


def test_rows_are_computed_again_only_where_the_module_is(run, capsys):
    code, out, err = said(capsys, "verify run --recheck 1")
    assert (code, out) == (2, "")
    assert "cannot import 'away:Lines'" in err


def test_runs_are_merged_as_everywhere(home, run, capsys):
    copied(home / "short", run.parent / "short")
    assert said(capsys, "merge short run -o merged")[0] == 0
    files = {name: content for name, content in everything(run).items() if name[0] != "_"}
    assert {name: content for name, content in everything(run.parent / "merged").items() if name[0] != "_"} == files


def test_rows_that_contradict_each_other_are_not_merged(home, run, capsys):
    copied(home / "whole", run.parent / "other")
    rewritten(chunks(run)[1], edited("train_loss", lambda curve: [curve[0], 2 * curve[1]], row=1))
    code, _, err = said(capsys, "merge run other -o merged")
    assert code == 4
    assert "train_loss[1] of row 3 is" in err
    assert not (run.parent / "merged").exists()


def test_a_report_is_made(run, capsys):
    assert said(capsys, "report run -o report.html")[0] == 0
    assert "away:Lines" in (run.parent / "report.html").read_text()


def test_the_rows_are_read(run):
    assert len(sj.read(run)) == 6


@pytest.mark.parametrize("command", ["run run/_sweep.toml -o run", "slurm run"])
def test_what_computes_needs_the_module(command, run, capsys):
    code, out, err = said(capsys, command)
    assert (code, out) == (2, "")
    assert "cannot import 'away:Lines'" in err


def test_a_module_that_has_changed_its_fields_is_as_good_as_none(run, monkeypatch, capsys):
    (run.parent / "away.py").write_text(MODEL.replace("scale", "width"))
    code, out, _ = said(capsys, "status run")
    assert code == 0
    assert "unknown key 'scale'" in out
