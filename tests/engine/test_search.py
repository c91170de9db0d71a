"""Facts that take many steps are found by stages of the model's own, for which rows wait before they leave."""

import pytest

import sweepjax as sj
from sweepjax.engine.engine import Engine
from sweepjax.sweep.sweep import Sweep

OPTIONS = {"model": "seeker:Collatz", "offset": [0.0, 0.5], "realizations": 40}
TRAINED = {"solver": "gradient_descent", "learning_rate": 0.1, "until": 3, "record": "0,1,3"}


def steps(number):
    return 0 if number == 1 else 1 + steps(3 * number + 1 if number % 2 else number // 2)


@pytest.mark.parametrize("lanes", [pytest.param(1, marks=pytest.mark.slow), 8])
def test_every_row_is_searched_to_its_own_end(lanes):
    frame = sj.run(Sweep.from_toml(OPTIONS | TRAINED), engine=Engine(lanes=lanes))
    assert len(frame) == 80
    assert frame["steps_to_one"].to_list() == [steps(row.number) + row.offset for row in frame.itertuples()]
    assert {len(curve) for curve in frame["train_loss"]} == {3}


def test_the_columns_of_a_search_share_no_name_with_others():
    with pytest.raises(ValueError, match="'steps_to_one' is a column of"):
        sj.run(Sweep.from_toml(OPTIONS | {"solver": "seeker:Named"}))
