"""What is said of whatever can be named on the command line."""

import pytest
from sweepjax_cli import app

from sweepjax.named import KINDS, _lines, described, every_name
from sweepjax.plugins import find, names
from sweepjax.presets import preset_names, preset_text

BUILT_IN = [(kind, name) for kind in KINDS for name in names(kind)]


@pytest.mark.parametrize("name", every_name())
def test_every_name_is_described(name):
    kinds = [kind for kind in KINDS if name in names(kind)] + ["presets"] * (name in preset_names())
    lines = described(name).splitlines()
    assert lines[0].startswith(f"{name}, a")
    assert sum(line.startswith((f"{name}, a ", f"{name}, an ")) for line in lines) == len(kinds)


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_every_field_has_a_remark(kind, name):
    assert [line.name for line in _lines(find(kind, name)) if not line.remark] == []


def fields(name):
    """The lines on the fields of what is named, without what keeps their columns apart."""
    return [" ".join(line.split()) for line in described(name).splitlines() if line.startswith("    ")]


def test_a_field_is_named_with_its_symbol_default_bounds_and_meaning():
    assert "epsilon ε 1.01 at least 0 distance of either ball's centre from the origin" in fields("perceptron_ball")


def test_what_has_no_bounds_says_its_type():
    assert "each false true or false a line a row, not a group" in fields("grokking_time")
    assert "draws 200 any whole number resampled sets of rows" in fields("scaling")
    assert "by text separated by commas; empty: every configured field that varies" in fields("phases")


def test_an_optimiser_has_the_fields_that_it_inherits():
    found = [line.name for line in _lines(find("solvers", "lion"))]
    assert found == ["learning_rate", "b1", "b2", "weight_decay", "batch_size"]


def test_source_is_told():
    assert "arXiv 2210.15435, section 3.2." in described("perceptron_ball")
    assert "Kaplan, Meier (1958)" in described("grokking_time")


def test_a_preset_is_its_text():
    lines = described("critical").splitlines()
    assert [line.removeprefix("    ") for line in lines[2:]] == preset_text("critical").splitlines()


OWN = '''
from sweepjax import parameter, plugin

@plugin
class Coin:
    """Heads or tails.

    Fair where the bias is 0.
    """

    n: int = parameter(7, at_least=1)  # throws
    bias: float = 0.0
'''


def test_code_of_the_users_is_described_likewise(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_coin.py").write_text(OWN)
    assert app(["help", "own_coin:Coin"]) == 0
    assert capsys.readouterr().out == (
        "own_coin:Coin, code of your own\n\nHeads or tails.\n\nFair where the bias is 0.\n\n"
        "Fields:\n\n    n     7  at least 1  throws\n    bias  0  any number\n"
    )


def test_code_that_cannot_be_imported_is_a_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert app(["help", "nowhere_at_all:Coin"]) == 2
    assert "cannot import 'nowhere_at_all:Coin'" in capsys.readouterr().err


def test_help_prints_what_is_said_of_a_name(capsys):
    assert app(["help", "grokking_time"]) == 0
    assert capsys.readouterr().out == described("grokking_time")


def test_a_name_that_is_none_is_answered_by_the_nearest(capsys):
    assert app(["help", "logstic"]) == 2
    assert "unknown topic 'logstic'; did you mean 'logistic'?" in capsys.readouterr().err
