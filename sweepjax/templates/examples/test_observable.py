import numpy as np

import sweepjax as sj

TRAINING = {"solver": "sgd", "n": "20", "lam": "0.4", "realizations": 2, "until": 10, "record": "3"}


def test_the_2_norm_is_the_weight_norm():
    rows = sj.run(observe=("mine:Mine:power=2", "weight_norm"), **TRAINING)
    np.testing.assert_allclose(np.stack(rows["Mine"]), np.stack(rows["weight_norm"]), rtol=1e-6)
