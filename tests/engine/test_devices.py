"""Which devices a process finds, and what it says where there are none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

GPU = Path("/dev/nvidiactl").exists()
NO_GPU = [
    pytest.param("cuda", marks=pytest.mark.skipif(GPU, reason="there is one")),
    pytest.param("rocm", marks=pytest.mark.slow),
    "nonsense",
]


def printed(code, **variables):
    """What a program prints in a process of its own, warnings and all, within a minute."""
    environment = {name: text for name, text in os.environ.items() if name != "XLA_FLAGS"} | variables
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert not done.returncode, done.stderr
    return done.stdout


ASKED = """\
from sweepjax.engine.engine import Engine
try:
    print(Engine("KIND").devices[0].platform)
except RuntimeError as error:
    print(error)
"""


@pytest.mark.parametrize("platforms", NO_GPU)
def test_a_cpu_that_is_asked_for_is_found_whatever_jax_platforms_says(platforms):
    assert printed(ASKED.replace("KIND", "cpu"), JAX_PLATFORMS=platforms) == "cpu\n"


@pytest.mark.parametrize("platforms", NO_GPU)
def test_a_device_that_jax_platforms_asks_for_and_is_not_there_is_a_sentence(platforms):
    text = printed(ASKED.replace("KIND", ""), JAX_PLATFORMS=platforms)
    assert text.startswith(f"JAX_PLATFORMS={platforms} names no device that is here")
    assert text.endswith("; unset it, or give --device cpu\n")
    assert text.count("\n") == 1


FORK = """\
import os, signal, sys, warnings
warnings.simplefilter("ignore")
{before}
if not os.fork():
    signal.alarm(50)
    import sweepjax as sj
    try:
        {asked}
    except RuntimeError as error:
        print(str(error)[:60], flush=True)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
"""
OURS = "import sweepjax as sj; sj.run(0.5, n=10, realizations=2)"
THEIRS = "import jax; jax.numpy.ones(3).block_until_ready()"
ROW = "{'model': 'logistic', 'n': 10, 'd': 5, 'sigma': 1.0, 'seed': 0, 'realization': 0}"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("before", [pytest.param(OURS, marks=pytest.mark.slow), THEIRS], ids=["sweepjax", "jax"])
@pytest.mark.parametrize(
    "asked",
    ["sj.run(0.5, n=10, realizations=2)", pytest.param(f"sj.dataset({ROW})", marks=pytest.mark.slow)],
    ids=["run", "dataset"],
)
def test_a_fork_of_a_process_in_which_jax_has_run_says_so(before, asked):
    text = printed(FORK.format(before=before, asked=asked))
    assert text == "this process was forked from one in which JAX had run, and t\n"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_of_a_process_in_which_jax_has_not_run_computes():
    asked = "print(len(sj.run(0.5, n=10, realizations=2)))"
    assert printed(FORK.format(before="import jax, sweepjax.run", asked=asked)) == "2\n"
