"""Every way in which a plug-in can be wrong: one sentence with its file and line, before anything is compiled."""

import itertools
import sys
from importlib import import_module
from pathlib import Path

import pytest
from sweepjax_cli import app

import sweepjax as sj

MODEL = '''import jax
import jax.numpy as jnp
import sweepjax as sj


@sj.plugin
class Q:
    """A quadratic loss on Gaussian points."""

    n: int = sj.parameter(5)
    d: int = sj.parameter(3)
    scale: float = sj.parameter(1.0)

    def sample(self, key):
        return self.scale * jax.random.normal(key, (self.n, self.d))

    def init(self, key, data):
        return jnp.ones(self.d)

    def training_loss(self, params, data, batch=None):
        return jnp.mean((data @ params) ** 2)

    def metrics(self, params, data):
        return {"train_loss": self.training_loss(params, data)}

    def facts(self, data):
        return {"centre": jnp.mean(data, 0)}
'''
SOLVER = '''from typing import ClassVar, NamedTuple
import jax
import jax.numpy as jnp
import sweepjax as sj


class State(NamedTuple):
    step: jax.Array
    params: object


@sj.plugin
class Q:
    """Gradient descent."""

    rate: float = sj.parameter(0.1, above=0)
    clock: ClassVar[str] = "step"
    needs: ClassVar[str] = "training_loss"

    @property
    def stages(self):
        return (self.walk,)

    def init(self, problem):
        return State(jnp.zeros((), jnp.int64), problem.start)

    def walk(self, problem, state, until):
        slope = jax.grad(problem.model.training_loss)(state.params, problem.data)
        return State(state.step + 1, jax.tree.map(lambda p, g: p - self.rate * g, state.params, slope))

    def waits(self, state, until):
        return jnp.where(state.step < until, 0, 1)

    def params(self, problem, state, time):
        return state.params

    def info(self, problem, state):
        return {"taken": state.step}
'''
OBSERVABLE = '''import jax.numpy as jnp
import sweepjax as sj


@sj.plugin
class Q:
    """A norm of the parameters, summed over time."""

    power: float = 2.0

    def measure(self, problem, moment):
        return jnp.sum(jnp.abs(moment.params.s) ** self.power)

    def finish(self, problem, trajectory):
        return jnp.cumsum(trajectory.kept)
'''
REDUCER = """from __future__ import annotations
from dataclasses import dataclass
import pandas as pd

@dataclass(frozen=True)
class Q:
    k: int = 3

    def __call__(self, rows):
        return pd.DataFrame({"k": [self.k], "rows": [rows.count_rows()]})
"""
FIGURE = '''import matplotlib.pyplot as plt

def Q(rows):
    """A line."""
    figure, axes = plt.subplots()
    axes.plot([1, 2])
    return figure
'''
EXECUTOR = """from dataclasses import dataclass

@dataclass(frozen=True)
class Q:
    def __call__(self, compute, chunks, watch):
        for chunk in chunks:
            yield chunk, compute(chunk, watch)
"""
RUN = "run --solver sgd --until 2 --record 2 --realizations 1 -o out --model"
LIMIT = "run --n 10 --lambda 0.5 --realizations 3 -o"

numbers = itertools.count()


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def called(line, source, capsys, after=""):
    """Run a command on a file with this source; its exit code and last sentence, in which the file is mine.py."""
    module = f"mine{next(numbers)}"
    Path(f"{module}.py").write_text(source)
    capsys.readouterr()
    code = app([*line.split(), f"{module}:Q", *after.split()])
    said = capsys.readouterr().err.strip().splitlines()
    return code, said[-1].replace(module, "mine") if said else ""


def changed(source, old, new):
    assert old in source
    return source.replace(old, new)


IMPORTED = [
    ("def init(self, key, data)", "def init(self key, data)", "mine.py:17: invalid syntax"),
    ("    def init", "   def init", "mine.py:17: unindent"),
    ("import jax.numpy", "import torchx", "mine.py:2: ModuleNotFoundError: No module named 'torchx'"),
    ("import jax\n", "import jax\n1/0\n", "mine.py:2: ZeroDivisionError"),
    ("import jax\n", "raise SystemExit\n", "mine.py:1: the program ends|__main__"),
    ("class Q:", "class Quadratic:", "cannot import 'mine:Q': mine.py has no 'Q'"),
]
CLASS = [
    ("@sj.plugin\n", "", "mine.py:6: Q is no plug-in|@sweepjax.plugin"),
    ("@sj.plugin\n", "import dataclasses\n@dataclasses.dataclass\n", "mine.py:8: Q is no plug-in"),
    ("class Q:", "class Base:", "no 'Q'"),
    ("    def facts", "class Plain:\n    pass\n\nQ = Plain\n\ndef f():\n    def facts", "Plain is no plug-in"),
    ("def sample", "def smaple", "mine.py:7: model Q lacks sample|sample(key) is to draw|'smaple'"),
    ("def init", "def start", "mine.py:7: model Q lacks init|init(key, data)"),
    (
        "def training_loss",
        "def loss",
        "mine.py:7: solver 'sgd' needs training_loss, which model 'mine:Q' lacks|or write it: training_loss(params",
    ),
    (
        "def metrics",
        "def metric",
        "mine.py:7: solver 'sgd' needs metrics, which|metrics(params, data) is to return|'metric'",
    ),
    ("def sample(self, key)", "def sample(self)", "mine.py:14: Q.sample takes (self)|sample(key)"),
    ("def sample(self, key)", "def sample(key)", "mine.py:14: Q.sample takes (key)"),
    ("data, batch=None", "data", "mine.py:20: Q.training_loss takes (self, params, data)|batch=None"),
    ("def facts(self, data)", "def facts(self)", "mine.py:26: Q.facts takes (self)|facts(data, start)"),
    ("def facts(self, data)", "def facts(self, data, start, more)", "mine.py:26: Q.facts takes"),
    ("def sample", "async def sample", "mine.py:14: Q.sample is async"),
    ("    def sample", "    sample = 5\n\n    def draw", "mine.py:7: Q.sample is no method"),
]
FIELDS = [
    ("scale:", "seed: int = 3\n    scale:", "mine.py:7: Q has a field 'seed'|rename"),
    ("scale:", "model: str = 'a'\n    scale:", "mine.py:7: Q has a field 'model'|rename"),
    (
        "scale:",
        "learning_rate: float = 1.0\n    scale:",
        "learning_rate is a field of both|mine.py:7|'sgd'|of the model",
    ),
    ("scale:", "widths: tuple = (1, 2)\n    scale:", "mine.py:6: field 'widths' of Q has the type tuple|ClassVar"),
    ("scale:", "widths: list = []\n    scale:", "mine.py:6|widths"),
    ("scale:", "width: int | None = None\n    scale:", "mine.py:6: field 'width' of Q has the type int | None"),
    ("scale: float", "scale: 'flaot'", "mine.py:6|types of the fields of Q|flaot"),
    ("sj.parameter(5)", "sj.parameter(2.5)", "mine.py:6: field 'n' of Q has the type int|2.5"),
    ("sj.parameter(5)", "sj.parameter(True)", "mine.py:6: field 'n' of Q has the type int|True"),
    ("sj.parameter(1.0)", "sj.parameter('a')", "mine.py:6: field 'scale' of Q has the type float|'a'"),
    ("sj.parameter(1.0)", "sj.parameter(-1.0, above=0)", "mine.py:6: field 'scale'|-1.0, which is not allowed|above 0"),
    ("sj.parameter(5)", "sj.parameter(5, choices=(1, 2))", "mine.py:6: field 'n'|one of: 1, 2"),
    ("sj.parameter(1.0)", "sj.parameter(float('nan'))", "mine.py:6: field 'scale'|nan|finite"),
    ("sj.parameter(1.0)", "sj.parameter(1.0, min=0)", "mine.py:12|'min'"),
    ("n: int =", "n =", "mine.py:6|'n'|annotation"),
    ("    def sample", "    usual_axes = {'m': '3'}\n\n    def sample", "mine.py:7: usual_axes|'m'"),
    ("    def sample", "    usual_axes = {'n': 'a:b'}\n\n    def sample", "mine.py:7: usual_axes|n: 'a'"),
    ("    def sample", "    usual_axes = '0.4:0.6'\n\n    def sample", "mine.py:7: usual_axes|a dict"),
    (
        "    def sample",
        "    def __post_init__(self):\n        raise ValueError('bad n')\n\n    def sample",
        "mine.py:15: bad n",
    ),
]
RETURNED = [
    ("return jnp.ones(self.d)", "jnp.ones(self.d)", "mine.py:17: Q.init returns nothing|init(key, data) is to return"),
    ("return self.scale *", "self.scale *", "mine.py:14: Q.sample returns nothing"),
    ("return self.scale *", "return 'a' #", "mine.py:14: Q.sample returns a str|sample(key) is to"),
    ("return self.scale *", "return key #", "mine.py:14: Q.sample returns key|numbers"),
    ("jnp.ones(self.d)", "jnp.ones(self.d, int)", "mine.py:17: Q.init returns parameters of int64|real floats"),
    ("jnp.ones(self.d)", "jnp.ones(self.d, complex)", "mine.py:17: Q.init returns parameters of complex128"),
    ("jnp.ones(self.d)", "{'w': jnp.ones(3), 'k': 1}", "mine.py:17: Q.init returns parameters of int64 in ['k']"),
    ("jnp.ones(self.d)", "()", "mine.py:17: Q.init returns no parameters"),
    ("jnp.mean((", "((", "mine.py:20: Q.training_loss returns float64[5] instead of one real number"),
    ("return jnp.mean", "jnp.mean", "mine.py:20: Q.training_loss returns nothing"),
    ("** 2)", "** 2) * 1j", "mine.py:20: Q.training_loss returns complex128"),
    ("** 2)", "** 2), 1", "mine.py:20: Q.training_loss returns a tuple"),
    (
        "loss(params, data)}",
        "loss(params, data) * 1j}",
        "mine.py:23: Q.metrics returns 'train_loss' as complex128|real",
    ),
    (
        "loss(params, data)}",
        "loss(params, data), 'w': params}",
        "mine.py:23: Q.metrics returns 'w' with the shape (3,)|observable",
    ),
    ("loss(params, data)}", "loss(params, data), 'w': None}", "mine.py:23: Q.metrics returns 'w' as nothing"),
    ("loss(params, data)}", "loss(params, data), 'w': 'x'}", "mine.py:23: Q.metrics returns a str in ['w']"),
    (
        "loss(params, data)}",
        "loss(params, data), 'w': (1.0, 2.0)}",
        "mine.py:23: Q.metrics returns 'w' as a tuple|exists",
    ),
    (
        '{"train_loss": self.training_loss(params, data)}',
        "[1.0]",
        "mine.py:23: Q.metrics returns a list instead of a dict",
    ),
    ('"train_loss"', "3", "mine.py:23: Q.metrics returns a column of the name 3"),
    ('"train_loss"', "''", "mine.py:23: Q.metrics returns a column of the name ''"),
    ('"train_loss"', "'_x'", "mine.py:23: Q.metrics returns a column of the name '_x'"),
    ("jnp.mean(data, 0)", "1j * data", "mine.py:26: Q.facts returns 'centre' as complex128[5, 3]"),
]
RAISED = [
    (
        "data @ params",
        "data @ params[:2]",
        "mine.py:21: TypeError: dot_general requires contracting dimensions|training_loss",
    ),
    ("data @ params", "date @ params", "mine.py:21: NameError: name 'date' is not defined|training_loss"),
    (
        "return jnp.mean",
        "if params[0] > 0: return 1.0\n        return jnp.mean",
        "mine.py:21: TracerBoolConversionError",
    ),
    ("return jnp.mean", "return float(params[0])\n        return jnp.mean", "mine.py:21: ConcretizationTypeError"),
    # With all arguments: where some are left out, Python 3.13.5 never notices and takes all memory.
    ("jnp.mean((data @ params) ** 2)", "self.training_loss(params, data, batch)", "mine.py:21: RecursionError"),
    ("return jnp.mean", "open('no.txt')\n        return jnp.mean", "mine.py:21: FileNotFoundError"),
    ("return jnp.ones", "self.w = 3\n        return jnp.ones", "mine.py:18: FrozenInstanceError"),
    ('{"train_loss": self.training', '{"train_loss": self.train', "mine.py:24: AttributeError|metrics(params, data)"),
    ("jnp.mean(data, 0)", "{}['a']", "mine.py:27: KeyError: 'a'; Q.facts(data, start) is to"),
]
NAMES = [
    ('"train_loss"', '"n"', "mine.py:23: 'n' is a column of Q.metrics, and a field of Q too (mine.py:7); rename it"),
    ('"train_loss"', '"sigma"', "mine.py:23: 'sigma' is a column of Q.metrics, and a label of the rows too"),
    ('"train_loss"', '"time"', "mine.py:23: 'time' is a column of Q.metrics, and a clock too"),
    ('"train_loss"', '"step"', "mine.py:23: 'step' is a column of Q.metrics"),
    ('"train_loss"', '"momentum"', "mine.py:23: 'momentum' is a column of Q.metrics, and a field of Sgd too"),
    ('"train_loss"', '"diverged"', "mine.py:23: 'diverged' is a column of Q.metrics, and a column of Sgd.info too"),
    ('"centre"', '"seed"', "mine.py:26: 'seed' is a column of Q.facts, and a label of the rows too"),
    ('"centre"', '"realization"', "mine.py:26: 'realization' is a column of Q.facts"),
    ('"centre"', '"train_loss"', "mine.py:26: 'train_loss' is a column of Q.facts, and a column of Q.metrics too"),
]
UNKNOWN = [
    ("mine.py:Q", "write mine:Name"),
    ("folder/mine.py:Q", "write folder.mine:Name"),
    ("mine", "unknown model 'mine'|or mine:Name for a class in mine.py"),
    ("mine:P", "mine.py has no 'P'"),
    ("mine:Quadratics", "mine.py has no 'Quadratics'; did you mean 'Quadratic'?"),
    ("mine:", "package.module:Name"),
    ("mine:Quadratic.init", "model Quadratic.init is a function|give a class"),
    ("queue:Q", "queue.py has no 'Q'; give your queue.py a name that is free"),
    ("empty:Q", "empty.py: source code string cannot contain null bytes"),
]
MODELS = [*IMPORTED, *CLASS, *FIELDS, *RETURNED, *RAISED, *NAMES]


def refused(code, sentence, words):
    assert code == 2, sentence
    assert sentence.startswith("sweepjax: ")
    for word in words.split("|"):
        assert word in sentence


@pytest.mark.parametrize(("old", "new", "words"), MODELS)
def test_a_model_that_is_wrong_is_refused_in_one_sentence_with_its_line(old, new, words, capsys):
    refused(*called(RUN, changed(MODEL, old, new), capsys), words.replace("int | None", "int"))
    assert not Path("out").exists()


@pytest.mark.parametrize(("name", "words"), UNKNOWN)
def test_a_name_that_means_nothing_is_refused_with_what_is_meant(name, words, capsys, monkeypatch):
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    for file in ("mine", "queue"):
        Path(f"{file}.py").write_text(MODEL.replace("class Q", "class Quadratic"))
    Path("empty.py").write_bytes(b"\0")
    capsys.readouterr()
    code = app([*RUN.split(), name])
    refused(code, capsys.readouterr().err.strip(), words)


def test_a_model_that_is_right_runs_from_the_current_directory(capsys):
    assert called(RUN, MODEL, capsys)[0] == 0


SOLVERS = [
    ("@sj.plugin\n", "", "mine.py:12: Q is no plug-in"),
    ("    @property\n    def stages", "    @property\n    def stage", "mine.py:13: solver Q lacks stages|'stage'"),
    ("    @property\n", "", "mine.py:20: Q.stages is a method; write @property"),
    ("(self.walk,)", "[self.walk]", "Q.stages is no tuple of functions"),
    ("(self.walk,)", "(self.wlk,)", "mine.py:22: AttributeError"),
    (
        "state, until):\n        slope",
        "state):\n        slope",
        "Q.stages holds a function that takes (problem, state)",
    ),
    (
        "return State(state.step + 1",
        "return (state.step + 1",
        "Q.stages returns a tuple that is not built as the state",
    ),
    ("state.step + 1", "state.step + 1.5", "Q.stages returns float64 in step where the state of init has int64"),
    ("p - self.rate", "p[None] - self.rate", "Q.stages returns float64[1, 5] in params.s"),
    ("return State(state.step", "State(state.step", "Q.stages returns nothing"),
    (
        "return State(state.step",
        "assert state.step\n        return State(state.step",
        "mine.py:29: TracerBoolConversionError",
    ),
    ("model.training_loss", "model.loss_at", "mine.py:28: AttributeError|loss_at"),
    ("def init", "def start", "mine.py:13: solver Q lacks init|init(problem) is to return the state"),
    ("return State(jnp.zeros", "State(jnp.zeros", "mine.py:24: Q.init returns nothing|init(problem)"),
    ("problem.start)", "problem.key)", "mine.py:24: Q.init returns key|in params, where numbers"),
    ("def waits", "def solve", "mine.py:13: solver Q lacks waits|waits(state, until)"),
    ("waits(self, state, until)", "waits(self, state)", "mine.py:31: Q.waits takes (self, state)"),
    ("0, 1)", "0.0, 1.0)", "mine.py:31: Q.waits returns float64 instead of a whole number"),
    ("return jnp.where", "jnp.where", "mine.py:31: Q.waits returns nothing"),
    ("def params", "def where", "mine.py:13: solver Q lacks params|params(problem, state, time)"),
    (
        "return state.params\n",
        "return {'w': 1.0}\n",
        "mine.py:34: Q.params returns a dict that is not built as the start",
    ),
    (
        "return state.params\n",
        "return state.params._replace(b=1)\n",
        "mine.py:34: Q.params returns int64 in b where the start",
    ),
    ('{"taken": state.step}', "state.step", "mine.py:37: Q.info returns int64 instead of a dict"),
    ("state.step}", "state.step * 1j}", "mine.py:37: Q.info returns 'taken' as complex128"),
    ('"taken"', '"b"', "mine.py:37: 'b' is a column of Q.info, and a column of Logistic.metrics too"),
    ('"taken"', '"lam"', "mine.py:37: 'lam' is a column of Q.info, and a label of the rows too"),
    (
        "rate: float",
        "b: float = 1.0\n    rate: float",
        "mine.py:13: 'b' is a field of Q, and a column of Logistic.metrics",
    ),
    (
        "rate: float",
        "sigma: float = 1.0\n    rate: float",
        "sigma is a field of both|mine.py:13|rename that of the solver",
    ),
    ("rate: float", "step: int = 1\n    rate: float", "mine.py:13: Q has a field 'step'"),
    ('"step"', '"steps"', "mine.py:13: solver Q has no clock|time, step, none"),
    (
        '"training_loss"',
        '"training_los"',
        "solver 'mine:Q' (mine.py:13) needs training_los, which model 'logistic' lacks",
    ),
    ("    clock", "    effort = 'taken'\n    clock", "mine.py:13: effort of Q is 'taken'; give a tuple"),
]
OBSERVABLES = [
    (
        OBSERVABLE,
        "def Q(model, data, params):\n    return params.b\n",
        "observable Q is a function|mine.py:1|give a class",
    ),
    ("@sj.plugin\n", "", "mine.py:5: Q is no plug-in"),
    ("def measure", "def measures", "mine.py:6: observable Q lacks measure|measure(problem, moment)|'measures'"),
    ("problem, moment)", "problem)", "mine.py:11: Q.measure takes (self, problem)"),
    ("problem, trajectory)", "trajectory)", "mine.py:14: Q.finish takes (self, trajectory)"),
    ("power: float = 2.0", "power: float", "mine.py:6: field 'power' of Q has no default"),
    ("power: float = 2.0", "power: tuple = (2.0,)", "mine.py:5: field 'power' of Q has the type tuple"),
    ("moment.params", "moment.param", "mine.py:12: AttributeError|measure(problem, moment)"),
    ("moment.params.s", "problem.model.weights", "mine.py:12: AttributeError|weights"),
    ("return jnp.sum", "return 'a' #", "mine.py:11: Q.measure returns a str, where numbers"),
    ("trajectory.kept", "trajectory.clock['t']", "mine.py:15: KeyError: 't'"),
    ("jnp.cumsum(trajectory.kept)", "1j * trajectory.kept", "mine.py:14: Q.finish returns the column as complex128[2]"),
    (
        "jnp.cumsum(trajectory.kept)",
        "trajectory.kept[:1]",
        "mine.py:14: Q.finish returns the shape (1,)|2 recorded times",
    ),
    ("return jnp.cumsum", "jnp.cumsum", "mine.py:14: Q.finish returns the column as nothing"),
]
TABLES = [
    ("@dataclass(frozen=True)\n", "", "mine.py:5: 'mine:Q' is no reducer; write a dataclass"),
    ("__call__", "reduce", "'mine:Q' is no reducer"),
    ("(self, rows)", "(self)", "'mine:Q' is no reducer|__call__(self, rows)"),
    ("k: int = 3", "k: int", "field 'k' of Q has no default"),
    ("k: int", "k: list[int]", "field 'k' of Q is no int"),
    ("k: int", "k: Whole", "types of the fields cannot be read|Whole"),
    ("return pd", "pd", "mine.py:6: Q returns a NoneType|DataFrame"),
    ("rows.count_rows()", "{}['a']", "mine.py:10: KeyError: 'a'"),
    ("return pd", "raise ValueError('too few rows') #", "mine.py:10: too few rows"),
]
PICTURES = [
    ("def Q(rows):", "class Q:\n  def draw(rows):", "'mine:Q' is no figure; write a function of rows"),
    ("Q(rows)", "Q(rows, others)", "figure Q draws several"),
    ("return figure", "return axes", "mine.py:3: Q returns a Axes|a figure of Matplotlib"),
    ("[1, 2]", "[1, 2], [3]", "mine.py:6: x and y must have same first dimension"),
]
EXECUTORS = [
    ("@dataclass(frozen=True)\n", "", "mine.py:3: 'mine:Q' is no executor"),
    ("compute, chunks, watch)", "compute, chunks)", "'mine:Q' is no executor|compute, chunks, watch"),
    ("compute(chunk, watch)", "compute(chunk)", "mine.py:7: TypeError"),
    ("yield chunk, compute", "yield compute", "mine.py:4: Q.__call__ yields a Done; yield (chunk, outcome)"),
    ("yield chunk, compute(chunk, watch)", "pass", "mine.py:4: Q.__call__ returns a NoneType; yield"),
]


def test_a_model_that_fails_at_one_of_its_shapes_is_refused_before_the_first_is_compiled(capsys):
    source = changed(MODEL, "return jnp.ones", "assert self.n != 4\n        return jnp.ones")
    code, sentence = called("run --solver sgd --until 2 --record 2 --n 3:5 -o out --model", source, capsys)
    refused(code, sentence, "mine.py:18: AssertionError; Q.init(key, data) is to return the parameters")
    assert not Path("out").exists()


def test_a_minibatch_that_the_model_cannot_draw_is_refused(capsys):
    code, sentence = called(RUN, MODEL, capsys, "--set batch_size=2")
    refused(code, sentence, "mine.py:7: model Q lacks batch, which is needed here; batch(key, data, size) is to draw")


def test_a_minibatch_of_a_later_size_is_tried_too(capsys):
    code, sentence = called(RUN, MODEL, capsys, "--set batch_size=0,2")
    refused(code, sentence, "mine.py:7: model Q lacks batch, which is needed here")
    assert not Path("out").exists()


TRAINED = "run --n 10 --lambda 0.5 --until 2 --record 2 --realizations 1 -o out"


@pytest.mark.parametrize(("old", "new", "words"), SOLVERS)
def test_a_solver_that_is_wrong_is_refused_in_one_sentence_with_its_line(old, new, words, capsys):
    refused(*called(f"{TRAINED} --solver", changed(SOLVER, old, new), capsys), words)
    assert not Path("out").exists()


@pytest.mark.parametrize(("old", "new", "words"), OBSERVABLES)
def test_an_observable_that_is_wrong_is_refused_in_one_sentence_with_its_line(old, new, words, capsys):
    refused(*called(f"{TRAINED} --solver sgd --observe", changed(OBSERVABLE, old, new), capsys), words)
    assert not Path("out").exists()


@pytest.mark.slow
def test_a_solver_and_an_observable_that_are_right_run_from_the_current_directory(capsys):
    Path("seen.py").write_text(OBSERVABLE.replace("class Q", "class total"))
    code, sentence = called(f"{TRAINED} --observe seen:total --solver", SOLVER, capsys)
    assert code == 0, sentence
    assert {"total", "taken"} <= {*sj.read("out").columns}


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "run"
    assert app([*LIMIT.split(), str(path)]) == 0
    return path


@pytest.mark.parametrize(("old", "new", "words"), TABLES)
def test_a_reducer_that_is_wrong_is_refused_in_one_sentence(old, new, words, rows, capsys):
    refused(*called(f"reduce {rows}", changed(REDUCER, old, new), capsys, "--set k=2"), words)


def test_a_reducer_that_is_right_reduces(rows, capsys):
    assert called(f"reduce {rows}", REDUCER, capsys, "--set k=2")[0] == 0


@pytest.mark.parametrize(("old", "new", "words"), PICTURES)
def test_a_figure_that_is_wrong_is_refused_in_one_sentence(old, new, words, rows, capsys):
    refused(*called(f"plot {rows} -o p.png --figure", changed(FIGURE, old, new), capsys), words)
    assert not Path("p.png").exists()


@pytest.mark.parametrize(("old", "new", "words"), EXECUTORS)
def test_an_executor_that_is_wrong_is_refused_in_one_sentence(old, new, words, capsys):
    refused(*called(f"{LIMIT} out --executor", changed(EXECUTOR, old, new), capsys), words)


RESULTS = [
    *(
        "None",
        "5",
        "1.5",
        "True",
        "'a'",
        "()",
        "{}",
        "[]",
        "object()",
        "self",
        "jnp.nan",
        "lambda: 0",
        "1 / 0",
        "...",
        "b''",
    ),
    *(
        "jnp.ones(3)",
        "jnp.ones(3, int)",
        "1j * jnp.ones(3)",
        "jnp.ones((0, 3))",
        "jnp.ones(3, jnp.bfloat16)",
        "np.ones(3)",
    ),
    *(
        "{'a': 1.0}",
        "{'a': 1j}",
        "{'a': jnp.ones(3)}",
        "{'a': None}",
        "{'n': 1}",
        "{'time': 1.0}",
        "{1: 1.0}",
        "{'a': 'b'}",
    ),
    *(
        "(1.0, 2.0)",
        "{'a': (1.0, True)}",
        "[jnp.ones(3)]",
        "jnp.asarray(['a'])",
        "np.random.normal",
        "range(3)",
        "type",
    ),
]
MORE = """
    def signed_rows(self, data):
        return data

    def prepare(self, start, data):
        return start

    def solution(self, prepared, time):
        return prepared * jnp.exp(-time)
"""
RATES = "State(state.step + 1, jax.tree.map(lambda p, g: p - self.rate * g, state.params, slope))"
BODIES = [
    ("sample", MODEL, "self.scale * jax.random.normal(key, (self.n, self.d))", "--solver sgd --model"),
    ("init", MODEL, "jnp.ones(self.d)", "--solver sgd --model"),
    ("training_loss", MODEL, "jnp.mean((data @ params) ** 2)", "--solver gradient_flow --model"),
    ("metrics", MODEL, '{"train_loss": self.training_loss(params, data)}', "--solver gradient_flow --model"),
    ("facts", MODEL, '{"centre": jnp.mean(data, 0)}', "--solver sgd --model"),
    ("signed_rows", MODEL + MORE, "return data\n", "--solver limit --model"),
    ("prepare", MODEL + MORE, "return start\n", "--solver exact --model"),
    ("solution", MODEL + MORE, "prepared * jnp.exp(-time)", "--solver exact --model"),
    ("stages", SOLVER, "(self.walk,)", "--solver"),
    ("init", SOLVER, "State(jnp.zeros((), jnp.int64), problem.start)", "--solver"),
    ("walk", SOLVER, RATES, "--solver"),
    ("waits", SOLVER, "jnp.where(state.step < until, 0, 1)", "--solver"),
    ("params", SOLVER, "return state.params\n", "--solver"),
    ("info", SOLVER, '{"taken": state.step}', "--solver"),
    ("measure", OBSERVABLE, "jnp.sum(jnp.abs(moment.params.s) ** self.power)", "--solver sgd --observe"),
    ("finish", OBSERVABLE, "jnp.cumsum(trajectory.kept)", "--solver sgd --observe"),
]


class Computes(BaseException):
    """What a plug-in passes for right with: rows would be computed now."""


PLAIN = ("sample",)
CASES = [pytest.param(*case, id=name, marks=[] if name in PLAIN else [pytest.mark.slow]) for name, *case in BODIES]


@pytest.mark.parametrize(("source", "body", "options"), CASES)
def test_whatever_a_method_returns_it_is_refused_with_its_line_or_computed(source, body, options, capsys, monkeypatch):
    def fill(*arguments, **options):
        raise Computes

    monkeypatch.setattr(import_module("sweepjax.run"), "fill", fill)
    times = "" if "limit" in options else "--until 2 --record 2"
    refusals = 0
    for number, result in enumerate(RESULTS):
        written = f"return {result}\n" if body.startswith("return") else result
        broken = changed(f"import numpy as np\n{source}", body, written)
        try:
            code, sentence = called(f"run --realizations 1 {times} -o {number} {options}", broken, capsys)
        except Computes:
            continue
        refused(code, sentence, "mine.py:")
        refusals += 1
    assert refusals > len(RESULTS) / 2
