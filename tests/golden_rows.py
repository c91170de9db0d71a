"""Small sweeps of the presets, whose rows of an earlier engine are stored beside the tests."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

import sweepjax as sj
from sweepjax.presets import preset
from sweepjax.store.same_rows import differences

FOLDER = Path(__file__).parent / "golden"
SMALL = {
    "symmetric_laws": {"n": 40, "lam": "0.4,0.5,0.6"},
    "trajectories": {"n": 40},
    "trajectories_descent": {"n": 40, "until": 1e6},
    "adam_plateau": {"n": 40, "until": 500.0, "seed": "0"},
    "two_point_delay": {"lam": "0.4,0.49"},
}


def golden(name):
    """The sweep of a preset at a small size."""
    sweep = preset(name)
    return sweep.replaced(realizations=min(3, sweep.realizations), **SMALL[name])


def rows(sweep):
    """The rows of a sweep as a table, in the order of its points."""
    with TemporaryDirectory() as folder:
        sj.run(sweep, out=folder)
        table = pq.ParquetDataset(sorted(Path(folder).glob("*.parquet"))).read()
    keys = [name for name in ("lam", "n", "d", "sigma", "init_norm", "realization") if name in table.column_names]
    return table.sort_by([(name, "ascending") for name in keys])


def check(name):
    """Compute a preset, and compare it with what is stored."""
    stored, now = pq.read_table(FOLDER / f"{name}.parquet"), rows(golden(name))
    assert stored.num_rows == now.num_rows
    assert set(stored.column_names) <= set(now.column_names)
    found = list(differences(stored, now.select(stored.column_names)))
    assert not found, found
