"""Every option of every command with values good and bad, on runs sound and damaged, wherever it is started."""

import contextlib
import os
import shutil
import time
from collections import Counter
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import stored_runs
import sweepjax_cli
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from surroundings import ENVIRONMENTS, OPEN, SILENT, STREAMS, UNREAD, surrounded
from surroundings import lines as lines_of
from sweepjax_cli import _watch, app
from tampering import chunks, flipped

from sweepjax.columns import FIRST, labels
from sweepjax.engine.engine import Engine
from sweepjax.executors.dask import Dask
from sweepjax.identity import name_of
from sweepjax.observed import column_of
from sweepjax.plan import Pilot

COMMANDS = typer.main.get_command(sweepjax_cli._commands()).commands
CODES = {0, 1, 2, 3, 4, 5, 130}
MOST_ROWS = 400  # that an example computes before it is interrupted

TOO_LONG = "x" * 300  # for the name of a file
RUNS = ("run", "curves", "flipped", "cut")
PLACES = [
    *RUNS,
    *["run"] * 5,
    "curves",
    "unrecorded",
    "other",
    "foreign",
    "file",
    "nowhere",
    "empty",
    "",
    ".",
    "a b",
    TOO_LONG,
]
TEXTS = ["run/_sweep.toml", "curves/_sweep.toml", "broken.toml", "binary.toml", "unknown.toml"]
TARGETS = ["new", "new/below", "file/below", "t.csv", "t.parquet", "p.png", "p.svg", "r.html", "nowhere/t.csv"]

# Values that are right somewhere, small enough to be computed where they are; any other option only gets words.
GOOD = {
    "kind": ["models", "presets", "figures"],
    "quantity": ["margin", "separable_probability", "s_inf", "two_point_s_inf"],
    "reducer": ["mean", "separable_fraction", "histogram", "grokking_time"],
    "file": [*TEXTS, *PLACES],
    "directory": PLACES,
    "directories": PLACES,
    "arguments": ["--preset", "margins", "--lambda", "0.5", "--part", "run/_sweep.toml"],
    "out": [*PLACES, *TARGETS],
    "plot out": ["p.png", "p.svg", "p.pdf", "nowhere/p.png"],
    "reduce out": ["t.csv", "t.parquet", "file/t.csv"],
    "report out": ["r.html", "run/r.html", "p.png"],
    "preset": ["margins", "lambda_scan", "two_point"],
    "model": ["logistic", "symmetric", "two_point", "probe:Bits", "os:path"],
    "solver": ["limit", "gradient_flow", "gradient_descent", "exact", "probe:Bits"],
    "lam": ["0.5", "0.4,0.5", "0.3:0.7:0.1", "log:0.1:1@3"],
    "n": ["20", "40", "20,21"],
    "d": ["5", "8:10"],
    "sigma": ["1", "0.5,2"],
    "seed": ["0", "0,1"],
    "fields": ["init_norm=1", "loss=exponential", "learning_rate=0.1,0.2", "scale=2", "sigma=1", "n=20", "lambda=0.5"],
    "options": ["quantiles=50", "bins=3", "scale=log", "column=margin", "by=lam", "low=0", "sketch=64", "threshold=1"],
    "zips": ["lambda,sigma", "sigma,seed", "n,d", "n,sigma"],
    "realizations": ["1", "8", "40", "44"],
    "until": ["10", "1e3", "1e6"],
    "record": ["3", "20", "1,2,5", "log:1:10@4"],
    "observe": ["weight_norm", "limit_angle,weight_norm"],
    "batch": ["auto", "1", "8"],
    "chunk": ["8", "16"],
    "device": ["cpu", "gpu", "tpu"],
    "part": ["1/1", "1/2", "2/2", "3/7"],
    "executor": ["local", "dask"],
    "scheduler": ["tcp://127.0.0.1:1", "file", "nowhere"],
    "workers": ["1", "2"],
    "target_se": ["s_norm=0.1", "margin = 1e-9", "separable=0.5", "certified=1"],
    "max_realizations": ["8", "40", "80"],
    "by": ["lam", "lam,n", "seed"],
    "column": ["s_norm", "margin", "separable", "test_loss", "certified", "model"],
    "figure": ["separable_fraction", "margin_finite_size", "two_point_times", "approach_to_limit", "loss_and_accuracy"],
    "recheck": ["1", "3"],
    "system": ["slurm", "pbs", "lsf", "sge"],
    "parts": ["1", "64"],
    "gpus": ["0", "1"],
    "time": ["12:00:00", "1-0"],
    "cpus": ["1"],
    "memory": ["16G"],
    "dask": ["2"],
    "topic": ["models", "axes", "run"],
    "columns": ["mean_norm", "gram_extremes", "weight_norm"],
    "adaptive": ["separable=0.2", "margin=0.01", "certified=1"],
    "target": ["separable=0.5", "s_norm=3", "margin=0.1"],
    "over": ["lam=0.4:0.6", "lambda=0.1:0.9", "sigma=1:2"],
    "se": ["0.1", "0.05"],
    "most": ["100", "300"],
    "explore out": ["r.html", "run/r.html", "p.png"],
    "license": ["CC-BY-4.0"],
}
DEFAULTS = {"run": "results", "solve": "results", "report": "report.html", "explore": "explore.html"}
NONSENSE = [
    *("", " ", "nan", "-inf", "1e999", "1e308", "1e30", "1e-300", "-1", "0", "1.5", "0.4:0.6:0", "1:0", "log:0:1@3"),
    *("0:1:1e-9", "0:1@1e9", "1:2:3:4", ":", "::", "@", ",", "1,,2", "=", "a=b=c", "lam=", "0x10", "1_0", "٣", "½"),
    *("True", "None", "os:getcwd", "a.b:C", "..a:B", "s3://", "ftp://host/run", "file://", "%s", "{}", "\t", "a\nb"),
    *("\N{LINE SEPARATOR}", "\N{RIGHT-TO-LEFT OVERRIDE}x", "\udcff", "-x", "--nothing", TOO_LONG, "9" * 5000),
]
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0/")
# A word that happens to be `-o` would write where the example does not look.
WORDS = (st.sampled_from(NONSENSE) | st.text(LETTERS, max_size=8)).filter(lambda word: not word.startswith("-o"))

# Half of the time as most are started.
AROUND = st.just((OPEN, OPEN, {})) | st.tuples(*map(st.sampled_from, (STREAMS, STREAMS, ENVIRONMENTS)))

counts = Counter()


def told(command, parameter, careful):
    """The values of an option or argument: mostly right ones, if any are known; only such of who is careful."""
    good = GOOD.get(f"{command} {parameter.name}") or GOOD.get(parameter.name, [])
    if careful and good:
        return st.sampled_from(good)
    return st.one_of([st.sampled_from(good)] * 2 * bool(good) + [WORDS])


def spelled(option, value):
    """An option with its value as one word or as two, at random where both may be."""
    if option.is_flag:
        return st.just([option.opts[0]])
    name = option.opts[-1]
    return st.sampled_from([[name, value], [f"{name}={value}"]])


@st.composite
def lines(draw, name):
    """A line of the command, and where it is told to write."""
    parameters = COMMANDS[name].params
    options = [each for each in parameters if each.opts[0].startswith("-")]
    chosen = draw(st.lists(st.sampled_from(options), max_size=4)) if options else []
    chosen += [each for each in options if each.required and each not in chosen and draw(st.integers(0, 7))]
    words, out, careful = [name], None, draw(st.booleans())
    for option in chosen:
        value = draw(told(name, option, careful))
        words += draw(spelled(option, value))
        out = value if option.name == "out" else out
        counts[f"{name} {option.opts[-1]}"] += 1
    for argument in parameters:
        if argument not in options:
            most = 1 if argument.nargs == 1 else 3
            least = int(argument.required and draw(st.integers(0, 7)) > 0)
            words += draw(st.lists(told(name, argument, careful), min_size=least, max_size=most))
    return words, out


def computed(engine, chunk, watch=lambda what, rows: None):
    """Columns without computing anything, the same as in the stored runs; too many are as if Ctrl-C were hit."""
    task = chunk.family.tasks[0]
    counts["rows in this example"] += chunk.rows
    if counts["rows in this example"] > MOST_ROWS:
        raise KeyboardInterrupt
    watch("rows", chunk.rows)
    known = labels(chunk)
    if (name_of(task.model), name_of(task.solver)) == ("logistic", "limit"):
        return known | stored_runs._limit(known, 0)
    if task.times == stored_runs.CURVES.times:
        return known | stored_runs._curves(known)
    if task.observables and not task.times:
        return {column_of(text): np.zeros(chunk.rows) for text in task.observables}
    return known | {"bits": known["realization"]}


def streamed(engine, chunks, watch=lambda what, rows: None, keeper=None):
    return ((chunk, computed(engine, chunk, watch)) for chunk in chunks)


def refused(self, compute, chunks, watch):
    raise OSError(111, "Connection refused")


def left(seconds):
    """Whoever looks on hits Ctrl-C."""
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def nothing_long(monkeypatch):
    monkeypatch.setattr(Engine, "compute", computed)
    monkeypatch.setattr(Engine, "stream", streamed)
    monkeypatch.setattr(Engine, "prepare", lambda self, family: None)
    monkeypatch.setattr("sweepjax.plan.pilot", lambda family, engine: Pilot(1.0, 1e-3, 1000, 1000.0, 10.0))
    monkeypatch.setattr(Dask, "__call__", refused)
    monkeypatch.setattr(_watch, "time", SimpleNamespace(sleep=left, strftime=time.strftime))


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    """Runs whole and damaged, and things that are none."""
    path = tmp_path_factory.mktemp("master")
    stored_runs.limit_run(path / "run", stored=9)
    stored_runs.curves_run(path / "curves")
    for name in ("flipped", "cut", "unrecorded"):
        stored_runs.limit_run(path / name, stored=3)
    first, second = chunks(path / "flipped")[0], chunks(path / "cut")[1]
    first.write_bytes(flipped(first.read_bytes(), 200))
    second.write_bytes(second.read_bytes()[:-100])
    (path / "unrecorded" / "_sweep.toml").unlink()
    (path / "file").write_text("text")
    for name in ("other", "foreign", "empty"):
        (path / name).mkdir()
    (path / "other" / "notes.txt").write_text("text")
    (path / "foreign" / "table.parquet").write_bytes(b"PAR1")
    (path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (path / "broken.toml").write_text("n = = 4")
    (path / "unknown.toml").write_text("realisations = 4")
    return path


def contents(path):
    return {str(file.relative_to(path)): file.is_file() and file.read_bytes() for file in sorted(path.rglob("*"))}


def called(arguments, around):
    """The exit code of a command, and the lines on its two streams as a terminal has them."""
    counts["rows in this example"] = 0
    with surrounded(*around) as streams:
        code = app(arguments)
    return code, *map(lines_of, streams)


@cache
def rows_of(content):
    table = pq.ParquetFile(pa.BufferReader(content)).read()
    return table.select([name for name in FIRST if name in table.column_names])


def lasting(name, before):
    """Whether a finished chunk of some runs is damaged from the beginning."""
    damaged = {file for run in ("flipped", "cut") for file in sorted(before) if file.startswith(f"{run}/")}
    return name.partition("/")[0] in RUNS and name.endswith(".parquet") and name not in damaged


def check_rows(before, after):
    for name in filter(lambda name: lasting(name, before), before):
        assert name in after
        if after[name] != before[name]:
            old, new = rows_of(before[name]), rows_of(after[name])
            assert new.slice(0, len(old)).equals(old)


def check_places(arguments, out, before, after):
    """Only where the command is told to write, and what `verify --repair` removes, may have changed."""
    target = os.path.normpath(out if out is not None else DEFAULTS.get(arguments[0], "-"))
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            made = after.get(name) is False and f"{target}/".startswith(f"{name}/")
            removed = "--repair" in arguments and name not in after and name.partition("/")[0] in ("flipped", "cut")
            added = arguments[0] == "observe" and name.endswith(".observed")
            assert made or removed or added or f"{name}/".startswith(f"{target}/"), (name, target)


def check(master, arguments, out, around=(OPEN, OPEN, {})):
    with TemporaryDirectory() as path, contextlib.chdir(path):
        shutil.copytree(master, path, dirs_exist_ok=True)
        before = contents(Path(path))
        code, stdout, stderr = called(arguments, around)
        after = contents(Path(path))
    counts[f"exit {code}"] += 1
    assert code in CODES
    assert code != 130 or counts["rows in this example"] > MOST_ROWS
    heard = around[1] not in SILENT
    if code:
        assert stderr or code == 5 or around[0] == UNREAD or not heard, "nothing is said"
        assert all(line.startswith("sweepjax: ") for line in stderr), stderr
    if code == 2:
        assert stdout == []
        assert arguments[0] == "run" or len(stderr) == heard
        assert after == before
    check_rows(before, after)
    check_places(arguments, out, before, after)


def fuzzed(name, master, examples):
    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(line=lines(name), around=AROUND)
    def holds(line, around):
        check(master, *line, around)

    holds()


EXAMPLES = dict.fromkeys(COMMANDS, 8) | {"run": 30, "verify": 5, "plot": 4, "report": 2, "doctor": 1}


QUICK = [pytest.param(name, marks=[pytest.mark.slow] if name == "doctor" else []) for name in COMMANDS]


@pytest.mark.parametrize("name", QUICK)
def test_no_line_whatever_makes_a_traceback_or_loses_a_row(name, master):
    fuzzed(name, master, EXAMPLES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_of_hundreds_makes_a_traceback_or_loses_a_row(name, master):
    counts.clear()
    fuzzed(name, master, 40 * EXAMPLES[name])
    options = {f"{name} {each.opts[-1]}" for each in COMMANDS[name].params if each.opts[0].startswith("-")}
    assert options <= counts.keys()
    del counts["rows in this example"]
    print(f"{name}:", ", ".join(f"{times} {what}" for what, times in sorted(counts.items())))
