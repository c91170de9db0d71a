"""Observables by name, with options."""

import pytest
from sweepjax_cli import app

import sweepjax as sj
from sweepjax.observed import column_of
from sweepjax.sweep.sweep import Sweep

SIZES = '''
import jax.numpy as jnp
import sweepjax as sj
from jax.flatten_util import ravel_pytree


@sj.plugin
class Size:
    """The p-norm of all parameters."""

    power: float = sj.parameter(2.0, above=0)

    def measure(self, problem, moment):
        return jnp.sum(jnp.abs(ravel_pytree(moment.params)[0]) ** self.power) ** (1 / self.power)
'''
SGD = {"solver": "sgd", "until": 3.0, "record": "2", "realizations": 2}


@pytest.fixture(autouse=True)
def sizes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "sizes.py").write_text(SIZES)


def observed(*texts):
    return Sweep(**SGD, observe=texts)


@pytest.mark.slow
def test_an_option_changes_what_is_measured():
    axes = {"n": "10", "lam": "0.4"}
    one, two = (sj.run(observed(f"sizes:Size:power={power}").replaced(**axes))["Size"] for power in (1, 2))
    assert all((a > b).all() for a, b in zip(one, two, strict=True))


def test_the_column_is_named_after_the_observable_alone():
    assert column_of("sizes:Size:power=4") == column_of("sizes:Size") == "Size"


def test_a_default_that_is_written_out_is_the_same_sweep():
    assert observed("sizes:Size:power=2").id == observed("sizes:Size").id
    assert observed("sizes:Size:power=4").id == observed("sizes:Size:power=4.0").id != observed("sizes:Size").id


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sizes:Size:pow=3", "unknown option 'pow'; did you mean 'power'"),
        ("sizes:Size:power=0", "power = 0 is not allowed; give above 0"),
        ("sizes:Size:power=inf", "power = 'inf'; give a finite number"),
        ("sizes:Size:power=", "power = ''; give a finite number"),
        ("weight_norm:power=3", "observable WeightNorm: it has no options"),
        ("sizes:Size,sizes:Size:power=3", "are both the column Size; observe one of them"),
    ],
)
def test_an_option_that_is_wrong_is_refused_in_one_sentence(text, words, capsys):
    assert app(["run", "--solver", "sgd", "--until", "3", "--observe", text, "-o", "out"]) == 2
    said = capsys.readouterr().err.strip()
    assert words in said
    assert "\n" not in said
