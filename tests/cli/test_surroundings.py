"""Commands in processes of their own, started as shells, schedulers, notebooks and terminals start them."""

import os
import pty
import shlex
import subprocess
import sys

import pandas as pd
import pytest
import sweepjax_cli
import typer
from command import SCRIPT
from stored_runs import limit_run
from surroundings import ENVIRONMENTS
from sweepjax_cli import app

import sweepjax as sj
from sweepjax.store import paths

COMMANDS = typer.main.get_command(sweepjax_cli._commands()).commands
RUN = ["run", "--n", "20", "--lambda", "0.5", "--realizations", "8", "-o"]
# Whatever a shell, a notebook or a batch system may leave in the environment, at once.
FOREIGN = {name: value for each in ENVIRONMENTS for name, value in each.items()} | {
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONIOENCODING": "ascii:strict",
    "PYTHONHASHSEED": "7",
    "JAX_PLATFORMS": "",
    "JAX_COMPILATION_CACHE_DIR": "/proc/none",
    "OMP_NUM_THREADS": "1",
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "run"
    assert app([*RUN, str(path)]) == 0
    return path


def shell(arguments, redirections="", **variables):
    """What became of a command that a shell starts with its streams redirected."""
    # The shell stays the parent: it would replace itself by a command that is its last.
    line = f"set -o pipefail; {shlex.join([*SCRIPT, *arguments])} {redirections}; exit $?"
    return subprocess.run(["bash", "-c", line], env=os.environ | variables, capture_output=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    "redirections", ["<&- >&- 2>&-", *(pytest.param(each, marks=pytest.mark.slow) for each in (">&-", "2>&-"))]
)
def test_a_run_whose_streams_are_closed_stores_its_rows_all_the_same(redirections, stored, here):
    done = shell([*RUN, "run"], redirections)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (b"" if ">&-" in redirections.replace("2>&-", "") else b"run\n")
    assert b"Traceback" not in done.stderr
    pd.testing.assert_frame_equal(sj.read("run"), sj.read(stored))
    assert app(["verify", "run"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("redirections", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_mistake_is_one_whether_anybody_hears_of_it_or_not(redirections, here):
    assert shell(["status", "nowhere"], redirections).returncode == 2


@pytest.mark.slow
def test_who_stops_reading_hears_no_complaint(stored):
    done = shell(["status", str(stored)], "| true")
    assert done.returncode in (0, 1)  # 0 where all was written before nobody read on
    assert done.stderr == b""


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["list", "models"], ["--help"]])
def test_a_full_device_is_said_to_be_full(arguments):
    done = shell(arguments, "> /dev/full")
    assert done.returncode == 1
    assert done.stderr.startswith(b"sweepjax: No space left on device")


@pytest.mark.slow
def test_notes_that_nobody_takes_do_not_spoil_a_table(stored):
    done = shell(["reduce", str(stored), "separable_fraction"], "2> /dev/full")
    assert done.returncode == 0
    assert done.stdout.split()[0] == b"lam"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "ascii:strict", "utf-16"])
def test_help_is_written_in_any_encoding(encoding):
    done = shell(["run", "--help"], PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    # Typer takes ASCII for a mistake of the environment and writes UTF-8.
    codec = "utf-8" if encoding.startswith("ascii") else encoding
    written = "λ = d/n" if codec.startswith("utf") else "\\u03bb = d/n"
    assert written in done.stdout.decode(codec)


def test_a_locale_without_any_letter_of_greek_gets_help(here):
    done = shell(["run", "--help"], LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_terminal_without_any_letter_of_greek_sees_progress(stored, here):
    leader, follower = pty.openpty()
    variables = {"TERM": "xterm", "COLUMNS": "100", "PYTHONIOENCODING": "ascii:strict"}
    process = subprocess.Popen([*SCRIPT, *RUN, "run"], stderr=follower, stdout=follower, env=os.environ | variables)
    os.close(follower)
    shown = b""
    while True:
        try:
            shown += os.read(leader, 4096)
        except OSError:
            break
    os.close(leader)
    assert process.wait() == 0
    assert b"8 rows in" in shown
    assert b"Traceback" not in shown


@pytest.mark.slow
def test_what_an_environment_holds_changes_neither_rows_nor_codes(stored, here):
    for arguments in (
        [*RUN, "run"],
        ["verify", "run", "--recheck", "1"],
        ["plot", "run", "-o", "p.png"],
        ["report", "run", "-o", "r.html"],
    ):
        done = shell(arguments, **FOREIGN)
        assert done.returncode == 0, done.stderr
        assert all(line.startswith(b"sweepjax: ") for line in done.stderr.splitlines()), done.stderr
    pd.testing.assert_frame_equal(sj.read("run"), sj.read(stored))


@pytest.mark.slow
@pytest.mark.parametrize(
    "backend",
    [
        "module://matplotlib_inline.backend_inline",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("nonsense", "TkAgg", "")),
    ],
)
def test_a_figure_is_drawn_whatever_backend_a_notebook_has_chosen(backend, stored, here):
    done = shell(["plot", str(stored), "-o", "p.png"], MPLBACKEND=backend)
    assert done.returncode == 0, done.stderr
    assert (here / "p.png").stat().st_size > 5000


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_h_is_help(name, capsys):
    words = [name] if name else []
    assert app([*words, "-h"]) == 0
    short = capsys.readouterr().out
    assert app([*words, "--help"]) == 0
    assert short == capsys.readouterr().out
    assert short.startswith("Usage: sweepjax")


@pytest.mark.slow
def test_python_runs_the_package_as_the_command():
    line = [sys.executable, "-m", "sweepjax", "theory", "margin", "--lambda", "0.6"]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lam,value\n0.6,0.1165")


@pytest.mark.slow
def test_a_directory_whose_name_is_no_text_is_refused_in_a_sentence(tmp_path):
    path = tmp_path / "a\udcffb"
    limit_run(tmp_path / "run", stored=1)
    (tmp_path / "run").rename(path)
    for words in (["status", str(path)], ["verify", str(path)], ["reduce", str(path), "mean"]):
        done = shell(words)
        assert done.returncode == 2
        assert b"is a name whose bytes are not UTF-8" in done.stderr
    with pytest.raises(ValueError, match="UTF-8"):
        paths.locate(path)


def completed(words):
    """What the Tab key offers after some words, the last of which is the one that is begun."""
    variables = {
        "_SWEEPJAX_COMPLETE": "complete_bash",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    done = subprocess.run(SCRIPT, env=os.environ | variables, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ver"], ["verify"]),
        (["theory", "linear_re"], ["linear_regression"]),
        (["theory", "perceptron_ball", "--set", "eps"], ["epsilon="]),
        (["run", "--ex"], ["--executor"]),
        (["run", "--preset", "mar"], ["margins"]),
        (["run", "--model", "two_g"], ["two_gaussians"]),
        (["run", "--solver", "gradient_d"], ["gradient_descent"]),
        (["run", "--solver", "adam", "--set", "learning"], ["learning_rate="]),
        (["run", "--set", "init_"], ["init_norm=", "init_bias="]),
        (["run", "--model", "nonsense", "--set", ""], []),
        (["run", "--observe", "weight_norm,limit"], ["weight_norm,limit_angle"]),
        (["list", "pre"], ["presets"]),
        (["reduce", "run", "separable"], ["separable_fraction"]),
        (["reduce", "run", "histogram", "--set", "b"], ["bins=", "by="]),
        (["plot", "run", "--figure", "margin_f"], ["margin_finite_size"]),
        (["theory", "two"], ["two_point_s_inf", "two_gaussians"]),
        (["slurm", "run", "--system", "p"], ["pbs"]),
    ],
    ids=" ".join,
)
def test_tab_knows(words, offered):
    assert completed(["sweepjax", *words]) == offered


def test_completion_is_printed_for_the_shell_that_asks():
    done = shell(["--show-completion"])
    assert done.returncode == 0, done.stderr
    assert b"_SWEEPJAX_COMPLETE=complete_bash" in done.stdout
