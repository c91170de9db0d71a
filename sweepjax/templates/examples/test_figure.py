from mine import mine
from pyarrow.dataset import dataset

import sweepjax as sj


def test_every_row_is_a_point(tmp_path):
    rows = sj.run("0.25,0.3", n="12", realizations=5, out=tmp_path)
    (axes,) = mine(dataset([*map(str, tmp_path.glob("*.parquet"))])).axes
    assert sum(len(line.get_xdata()) for line in axes.lines) == len(rows)
