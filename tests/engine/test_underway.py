"""What is kept of rows under way is where another process goes on, and its rows are to the bit those of one process."""

import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sweepjax.engine import stream
from sweepjax.engine.engine import Engine
from sweepjax.engine.kernel import Slot
from sweepjax.engine.slots import Pool
from sweepjax.engine.underway import State, fits, put_back, state, taken
from sweepjax.store.chunkfile import table
from sweepjax.store.paths import Overtaken
from sweepjax.store.states import States, is_readable
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk

STEPS = Sweep().replaced(n=12, d=6, solver="sgd", batch_size="4", realizations=10, until=1500, record=4)
SMALL = Sweep().replaced(n=12, d=6, realizations=10)
SWEEPS = {
    "limit": SMALL,
    "flow": SMALL.replaced(solver="gradient_flow", until=1e4, record=4),
    "corrected": SMALL.replaced(solver="gradient_descent", mode="corrected", until=5000, record=4),
    "exact": SMALL.replaced(model="linear_regression", solver="exact_descent", until=5000, record=4),
    "first crossings": Sweep().replaced(
        model="quadratic_modular", p="5", width="8", solver="adamw", realizations=10, until=300, record=4
    ),
    "search": Sweep().replaced(
        model="perceptron_ball", solver="proximal_flow", l1="0.1", l2="0.1", realizations=10, until=30, record=4
    ),
    "ended early": STEPS.replaced(stop="train_accuracy>=0.9"),
}


PACED = stream.paced


class Killed(BaseException):
    """What a keeper raises instead of keeping the next state."""


class Memory:
    """A keeper that forgets nothing, and that has its process killed after so many states."""

    every = 0.0

    def __init__(self, most=10**9):
        self.states, self.most, self.loaded = {}, most, 0

    def load(self, chunk):
        self.loaded += chunk.start in self.states
        return self.states.get(chunk.start)

    def save(self, chunk, arrays):
        if not self.most:
            raise Killed
        self.most -= 1
        self.states[chunk.start] = written(arrays)


def written(arrays):
    sink = io.BytesIO()
    np.savez(sink, allow_pickle=False, **arrays)
    sink.seek(0)
    return dict(np.load(sink, allow_pickle=False))


@pytest.fixture(autouse=True)
def short_calls(monkeypatch):
    monkeypatch.setattr(stream, "FIRST", 7)
    monkeypatch.setattr(stream, "paced", lambda steps, seconds, wanted: steps)


def chunk_of(sweep, rows=10):
    (family,) = sweep.families()
    return Chunk(family, 0, rows)


def killed_again_and_again(engine, chunk, states):
    keeper = Memory(states)
    for _ in range(100):
        try:
            return table(engine.compute(chunk, keeper=keeper)), keeper
        except Killed:
            keeper.most = states
    raise AssertionError("it never ends")


@pytest.mark.slow
@pytest.mark.parametrize("lanes", [pytest.param(1, marks=pytest.mark.slow), 4])
def test_rows_that_go_on_in_other_processes_are_those_of_one(lanes):
    engine, chunk = Engine("cpu", lanes), chunk_of(STEPS)
    found, keeper = killed_again_and_again(engine, chunk, 3)
    assert keeper.loaded > 2
    assert found.equals(table(engine.compute(chunk)))


def test_a_dataset_is_drawn_again_and_not_kept():
    engine, chunk = Engine("cpu", 1), chunk_of(STEPS.replaced(n="300", until=900), 3)
    found, keeper = killed_again_and_again(engine, chunk, 5)
    assert keeper.loaded
    (kept,) = keeper.states.values()
    assert sum(leaf.nbytes for leaf in kept.values()) < 300 * 6 * 4
    assert found.equals(table(engine.compute(chunk)))


def test_steps_between_two_records_are_seen():
    told = []
    sweep = STEPS.replaced(record="0,1500", realizations=1)
    Engine("cpu", 1).compute(chunk_of(sweep, 1), lambda what, many: told.append(many) if what == "along" else None)
    partly = [many for many in told if 0 < many < 1000]
    assert len(set(partly)) > 1
    assert partly == sorted(partly)


def test_a_step_that_counts_nothing_is_not_taken_for_progress():
    told = []
    sweep = Sweep().replaced(n=12, d=6, solver="strides:Strides", realizations=2, until=1500, record="0,1000,1500")
    Engine("cpu", 1).compute(chunk_of(sweep, 1), lambda what, many: told.append(many) if what == "along" else None)
    assert told
    assert set(told) <= {0, 667, 1000, 1667, 2000}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SWEEPS)
def test_rows_of_every_kind_of_solver_go_on(kind):
    engine, chunk = Engine("cpu", 4), chunk_of(SWEEPS[kind])
    found, keeper = killed_again_and_again(
        engine, chunk, {"first crossings": 40, "exact": 1, "ended early": 1}.get(kind, 3)
    )
    assert keeper.loaded
    assert found.equals(table(engine.compute(chunk)))


@pytest.mark.parametrize(
    ("steps", "seconds", "next_steps"), [(64, 0.0, 512), (64, 1e-3, 512), (100, 1.0, 500), (9, 60.0, 1)]
)
def test_a_call_takes_about_as_long_as_is_wanted(steps, seconds, next_steps):
    assert PACED(steps, seconds, 5.0) == next_steps


@pytest.mark.slow
def test_work_is_not_done_twice():
    chunk, keeper, told = chunk_of(STEPS), Memory(12), {"served": 0}

    def watch(what, rows):
        told[what] = told.get(what, 0) + rows

    with pytest.raises(Killed):
        Engine("cpu", 4).compute(chunk, watch, keeper)
    before, told["served"] = told["served"], 0
    keeper.most = 10**9
    Engine("cpu", 4).compute(chunk, watch, keeper)
    rest, told["served"] = told["served"], 0
    Engine("cpu", 4).compute(chunk, watch)
    assert before + rest == pytest.approx(told["served"], rel=0.05)
    assert rest < 0.9 * told["served"]


def kept(path, chunk, told=lambda chunk: {"device": "cpu"}):
    states = States(path, 1.0, told)
    return states, states.load(chunk)


def test_a_state_is_found_again_by_who_computes_the_same_rows_alike(tmp_path):
    chunk, arrays = chunk_of(STEPS), {"done": np.arange(3), "flag": np.array([True])}
    states, none = kept(tmp_path, chunk)
    assert none is None
    states.save(chunk, arrays)
    _, again = kept(tmp_path, chunk)
    assert again is not None
    assert {name: leaf.tolist() for name, leaf in again.items()} == {"done": [0, 1, 2], "flag": [True]}
    assert kept(tmp_path, chunk, lambda chunk: {"device": "gpu"})[1] is None
    assert kept(tmp_path, chunk_of(STEPS.replaced(learning_rate="0.02")))[1] is None
    assert kept(tmp_path, Chunk(chunk.family, 0, 7))[1] is not None


def test_no_flipped_bit_of_a_state_is_more_than_a_damaged_state(tmp_path):
    chunk = chunk_of(STEPS)
    kept(tmp_path, chunk)[0].save(chunk, {"done": np.arange(3)})
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    first = content.index(b"PK\x01\x02")  # where the archive says how its first array is packed
    for place in range(first, first + 16):
        for bit in range(8):
            file.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
            kept(tmp_path, chunk)


def test_a_state_that_another_process_keeps_at_the_same_moment_ends_no_run(tmp_path, monkeypatch):
    def overtaken(path, content, seen):
        raise Overtaken

    chunk, states = chunk_of(STEPS), kept(tmp_path, chunk_of(STEPS))[0]
    monkeypatch.setattr("sweepjax.store.states.put", overtaken)
    states.save(chunk, {"done": np.arange(3)})


def test_a_state_that_is_gone_when_it_is_looked_at_is_no_fault(tmp_path):
    assert is_readable(tmp_path / "_state-0123456789ab-000000000.npz")


def test_a_damaged_state_is_not_gone_on_from(tmp_path):
    chunk = chunk_of(STEPS)
    kept(tmp_path, chunk)[0].save(chunk, {"done": np.arange(1000)})
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    assert kept(tmp_path, chunk)[1] is None
    file.write_bytes(b"")
    assert kept(tmp_path, chunk)[1] is None


def test_states_are_removed_with_what_they_were_for(tmp_path):
    first, second = chunk_of(STEPS), Chunk(chunk_of(STEPS).family, 10, 12)
    states, _ = kept(tmp_path, first)
    for chunk in (first, second):
        states.save(chunk, {"done": np.arange(1)})
    states.remove(first)
    (file,) = tmp_path.iterdir()
    file.with_name(file.name.removeprefix("_state-")).with_suffix(".parquet").touch()
    kept(tmp_path, first)[0].tidy()
    assert [each.suffix for each in tmp_path.iterdir()] == [".parquet"]


def test_random_keys_and_numbers_of_half_precision_come_back_from_a_file():
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(3), 2)
        slots = Slot(None, keys, jnp.ones((2, 9)), jnp.asarray([1.5, -2], jnp.bfloat16), None, None, None, None)
        pool = Pool(jnp.arange(2), jnp.ones(2, jnp.int32), slots)
        arrays = written(State(np.arange(0), [], taken(pool)).arrays(0))
        blank = slots._replace(key=jax.random.split(keys[0]), start=jnp.zeros(2, jnp.bfloat16))
        empty = pool._replace(number=jnp.zeros(2, jnp.int64), slots=blank)
    under = state(arrays, 0, 2).under
    assert fits(under, empty)
    again = put_back(under, empty, lambda slots: slots)
    assert again.slots.start.dtype == jnp.bfloat16
    assert again.slots.start.tolist() == [1.5, -2]
    assert jax.random.key_data(again.slots.key).tolist() == jax.random.key_data(keys).tolist()
    assert not fits(under, empty._replace(slots=blank._replace(start=jnp.zeros((2, 3), jnp.bfloat16))))
