"""What `sweepjax doctor` says of a machine that is sound, and of one that is not."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from sweepjax_cli import app

from sweepjax import doctor
from sweepjax.recheck.limit import Contradiction


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "SIZE", 8)
    monkeypatch.chdir(tmp_path)


def findings(capsys):
    """The code of the command, and its lines by name."""
    code = app(["doctor", "--device", "cpu"])
    lines = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    return code, [(state, rest) for state, rest in lines]


@pytest.mark.slow
def test_a_sound_machine_is_described_and_computes_a_certified_row(capsys):
    code, lines = findings(capsys)
    assert code == 0
    assert {state for state, _ in lines} == {"ok"}
    for words in ("versions", "device", "product of float64", "Cholesky of float32", "cache", "disk"):
        assert any(rest.startswith(words) for _, rest in lines)
    assert lines[-1][1].split(maxsplit=1)[1] == "n 40, d 16: as SciPy finds it"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (lambda patch: patch.setattr(doctor, "contradictions", lambda *_: [Contradiction("s_norm", 1, 2)]), "s_norm"),
        (lambda patch: patch.setattr(doctor, "LEAST_FREE", 2**70), "GiB free"),
        (lambda patch: patch.setattr(doctor.disk, "save", refused), "cannot be written to (Read-only file system)"),
        (lambda patch: patch.setattr(doctor, "_cache_folder", lambda: Path("/proc/none")), "/proc/none"),
        (lambda patch: patch.setattr(doctor.jnp.linalg, "cholesky", lambda a: a * float("nan")), "not finite"),
    ],
)
def test_what_is_broken_is_named_and_ends_with_exit_code_1(broken, words, capsys, monkeypatch):
    broken(monkeypatch)
    code, lines = findings(capsys)
    assert code == 1
    assert any(state == "BROKEN" and words in rest for state, rest in lines)


def refused(*arguments):
    raise OSError(30, "Read-only file system")


def test_a_device_that_is_not_there_is_exit_code_1_and_a_kind_that_is_none_2(capsys):
    assert app(["doctor", "--device", "tpu"]) == 1
    assert app(["doctor", "--device", "gpx"]) == 2
    assert "did you mean 'gpu'" in capsys.readouterr().err


def test_the_memory_of_a_device_is_what_it_says():
    device = SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": 8 * 2**30})
    assert doctor._memory(device) == "8 GiB for this process"
