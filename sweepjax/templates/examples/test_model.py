import sweepjax as sj


def test_training_lowers_the_loss_of_every_draw():
    rows = sj.run(model="mine:Mine", solver="adam", realizations=4, until=100, record="3")
    for losses in rows["train_loss"]:
        assert losses[-1] < losses[0]


def test_a_row_is_drawn_again_to_the_bit():
    rows = sj.run(model="mine:Mine", solver="adam", realizations=2, until=1, record="2")
    one, two = (sj.dataset(rows.iloc[1]) for _ in range(2))
    assert (one[0] == two[0]).all()
