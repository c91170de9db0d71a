"""The map of Candès and Sur over rows that follow its law, and what is no such map."""

import numpy as np
import pytest
from stored_runs import CHUNK_ROWS, MACHINE, limit_run
from sweepjax_cli import app

from sweepjax.columns import labels
from sweepjax.figures.existence_map import existence_map
from sweepjax.store.rows import scan
from sweepjax.store.store import Store
from sweepjax.sweep.sweep import Sweep
from sweepjax.theory.logistic_signal import separable_probability

SWEEP = Sweep().replaced(model="logistic_signal", n=100, lam="0.2,0.3,0.4", gamma="0,2,4", realizations=50)


def stored(path, sweep=SWEEP):
    """Rows in which the separable draws are as frequent as they are expected to be."""
    store = Store(path, sweep, CHUNK_ROWS, MACHINE).create()
    for chunk in sweep.chunks(CHUNK_ROWS):
        columns = labels(chunk)
        law = separable_probability(n=columns["n"], d=columns["d"], gamma=columns["gamma"])
        separable = (columns["realization"] + 0.5) / sweep.realizations < law
        store.write(chunk, columns | {"separable": separable, "certified": np.full(chunk.rows, True)})
    return path


def test_cells_are_fractions_and_their_scores(tmp_path):
    figure = existence_map(scan([stored(tmp_path / "run")]))
    fraction, score = (np.asarray(axes.collections[0].get_array()) for axes in figure.axes[:2])
    lam, gamma = np.meshgrid([0.2, 0.3, 0.4], [0, 2, 4])
    law = separable_probability(n=100, d=np.round(100 * lam), gamma=gamma)
    np.testing.assert_allclose(fraction, law, atol=0.01)
    assert np.abs(score).max() < 1
    assert "n = 100" in figure.axes[0].get_title()


def test_it_is_drawn_by_name(tmp_path):
    run = stored(tmp_path / "run")
    assert app(["plot", str(run), "--figure", "existence_map", "-o", str(tmp_path / "map.png")]) == 0
    assert (tmp_path / "map.png").stat().st_size > 10_000


def test_one_strength_is_no_map(tmp_path):
    with pytest.raises(ValueError, match="several values of lam and of gamma"):
        existence_map(scan([stored(tmp_path / "run", SWEEP.replaced(gamma=2))]))


def test_draws_without_a_signal_have_no_map(tmp_path):
    with pytest.raises(ValueError, match="no gamma"):
        existence_map(scan([limit_run(tmp_path / "run")]))
