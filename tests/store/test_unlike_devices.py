"""Rows of data that differ in the last bit, as the normals of one kind of device do from those of another."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sweepjax_cli import app
from tampering import chunks, rewritten

import sweepjax as sj
from sweepjax.engine import programs
from sweepjax.primitives import padding

LIMIT = ["--n", "100", "--lambda", "0.4,0.48,0.6", "--realizations", "60"]
FLOW = ["--n", "60", "--lambda", "0.4,0.6", "--sigma", "1,5", "--solver", "gradient_flow", "--until", "1e6"]
ADAM = ["--n", "60", "--lambda", "0.4,0.6", "--solver", "adam", "--until", "300"]
FEW = ["--record", "5", "--realizations", "8"]
normal = padding.normal


def moved(key, *shape):
    """Normals of which half are an ulp away; padding stays."""
    x, way = normal(key, *shape), jax.random.randint(jax.random.fold_in(key, 1), shape[:2], 0, 4)
    away = jnp.nextafter(x, jnp.where(way == 0, jnp.inf, -jnp.inf).astype(x.dtype))
    return jnp.where((way > 1) | (x == 0), x, away)


def run(path, command, monkeypatch):
    monkeypatch.setattr(programs, "_programs", {})
    monkeypatch.setattr(programs, "kept", lambda *given: given[-1]())
    assert app(["run", *command, "--chunk", "1000", "-o", str(path)]) == 0
    return path


@pytest.mark.slow
@pytest.mark.parametrize("command", [LIMIT, FLOW + FEW, ADAM + FEW], ids=["limit", "flow", "adam"])
def test_rows_of_moved_data_are_those_of_another_device(command, tmp_path, monkeypatch, capsys):
    here = run(tmp_path / "here", command, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr(padding, "normal", moved)
        there = run(tmp_path / "there", command, patch)
    one, other = sj.read(here), sj.read(there)
    column = "s_norm" if command is LIMIT else "b"
    assert not np.array_equal(np.stack(one[column]), np.stack(other[column]), equal_nan=True)
    for file in chunks(there):
        rewritten(file, device="another")
    assert app(["merge", str(here), str(there), "-o", str(tmp_path / "whole")]) == 0
    assert app(["verify", str(there), "--recheck", "20"]) == 0
