import numpy as np
from mine import Mine
from pyarrow.dataset import dataset

import sweepjax as sj


def test_it_is_the_mean_of_the_logarithms(tmp_path):
    rows = sj.run("0.25,0.3", n="12", realizations=5, out=tmp_path)
    table = Mine()(dataset([*map(str, tmp_path.glob("*.parquet"))])).set_index("lam")
    for lam, group in rows.groupby("lam"):
        logs = np.log(group["s_norm"].dropna())
        np.testing.assert_allclose(table.loc[lam, "geometric_mean"], np.exp(logs.mean()))
        assert table.loc[lam, "left_out"] == group["s_norm"].isna().sum()
