"""A plug-in from outside that is edited between two parts of a run."""

import sys
from pathlib import Path

import pytest
from sweepjax_cli import app

import sweepjax as sj
from sweepjax import sources

MODEL = """
import jax, jax.numpy as jnp, sweepjax as sj
from typing import NamedTuple

class Points(NamedTuple):
    x: jax.Array

@sj.plugin
class Edited:
    points: int = sj.parameter(5)

    def sample(self, key):
        return Points(1 * jax.random.normal(key, (self.points, 3), jnp.float32))

    def init(self, key, data):
        return jnp.ones(3)

    def training_loss(self, params, data, batch=None):
        return jnp.mean(data.x @ params)

    def metrics(self, params, data):
        return {}
"""
RUN = ["run", "--model", "edited:Edited", "--solver", "probe:Bits", "--realizations", "8", "--chunk", "2"]
EDITED = MODEL.replace("1 *", "2 *")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    sys.modules.pop("edited", None)


def part(number, code=MODEL, out="run"):
    """Run a part with the plug-in as it is written now, as a process of its own would."""
    Path("edited.py").write_text(code)
    sys.modules.pop("edited", None)
    sources.source_hash.cache_clear()
    return app([*RUN, "--part", f"{number}/2", "-o", out])


@pytest.mark.slow
def test_parts_of_one_code_are_one_run(place, capsys):
    assert part(1) == part(2) == 0
    assert "other code" not in capsys.readouterr().err
    assert app(["verify", "run"]) == 0


@pytest.mark.slow
def test_a_comment_makes_no_other_code(place, capsys):
    assert part(1) == part(2, "# The model.\n" + MODEL + "\n# The end.\n") == 0
    assert app(["verify", "run"]) == 0


@pytest.mark.slow
def test_the_second_part_of_other_code_is_warned_of_and_verify_refuses_the_mixture(place, capsys):
    assert part(1) == 0
    assert part(2, EDITED) == 0
    assert "holds rows of other code (edited:Edited " in capsys.readouterr().err
    assert app(["verify", "run"]) == 5
    out = capsys.readouterr().out
    assert out.count("was computed by other code") == 2
    assert "faulty files: 2" in out


@pytest.mark.slow
def test_the_rows_of_other_code_are_computed_anew_after_a_repair(place, capsys):
    part(1)
    part(2, EDITED)
    assert app(["verify", "run", "--repair"]) == 0
    assert app([*RUN, "-o", "run"]) == 0
    assert app(["verify", "run", "--recheck", "8"]) == 0
    assert len(sj.read("run")) == 8


@pytest.mark.slow
def test_status_shows_the_code_of_the_rows_and_the_present_one(place, capsys):
    part(1)
    part(2)
    part(2, EDITED, out="other")
    capsys.readouterr()
    assert app(["status", "run"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    (code,) = [line[1:] for line in lines if line[0] == "code"]
    assert (code[0], code[2], code[4:]) == ("edited:Edited", "probe:Bits", ["(4", "files)"])
    (present,) = [line for line in lines if line[0] == "edited:Edited"]
    assert present[1] != code[1]
    assert present[4:] == ["is", "the", "present", "one"]
