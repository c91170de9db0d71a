"""Small sweeps of the presets, whose rows of an earlier engine are stored beside the tests."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

import sweepjax as sj
from sweepjax.presets import preset

FOLDER = Path(__file__).parent / "golden"
SMALL = {
    "symmetric_laws": {"n": 40, "lam": "0.4,0.5,0.6"},
    "trajectories": {"n": 40},
    "trajectories_descent": {"n": 40, "until": 1e6},
    "adam_plateau": {"n": 40, "until": 500.0},
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
