"""Rows of several shapes that share one program are those of programs of their own."""

import re

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweepjax.engine.contract import check
from sweepjax.engine.drawing import drawn
from sweepjax.engine.engine import Engine
from sweepjax.engine.widths import compiled, rows_of
from sweepjax.keys import realization_keys
from sweepjax.models.logistic import Logistic
from sweepjax.models.two_gaussians import TwoGaussians
from sweepjax.primitives import padding
from sweepjax.solvers._limit import linear
from sweepjax.solvers.gradient_descent import GradientDescent
from sweepjax.solvers.limit import Limit
from sweepjax.store.chunkfile import table
from sweepjax.store.same_rows import differences
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk, Family, Task


def family(**fields):
    return Family((Task(Logistic(n=40, **fields), Limit()),))


@given(st.integers(1, 3000), st.integers(1, 6000))
def test_a_width_holds_its_columns_and_lies_on_their_side_of_the_transition(n, d):
    width = padding.width(n, d)
    assert width >= d
    assert (2 * width > n) == (2 * d > n)
    assert padding.width(n, width) == width or n * width > padding.MOST


@given(st.integers(128, 3000), st.integers(1, 6000))
def test_wide_rows_are_aligned_but_at_half_of_the_samples(n, d):
    width = padding.width(n, d)
    assert width % 8 == 0 or width in (d, n // 2)


@given(st.integers(40, 500), st.floats(0.26, 1.0))
def test_no_more_than_a_fifth_of_the_columns_are_padding_beside_the_smallest_width(n, lam):
    d = round(lam * n)
    assert padding.width(n, d) <= 1.2 * d + 2


def test_a_scan_of_forty_aspect_ratios_takes_nine_programs():
    assert len({padding.width(400, round(lam * 400)) for lam in np.linspace(0.05, 0.95, 40)}) == 9


@pytest.mark.parametrize("d", [1, 9, 17, 20, 23, 39])
def test_a_padded_dataset_is_the_dataset_to_the_bit_and_then_zeros(d):
    with jax.enable_x64(True):
        model = Logistic(n=40, d=d, sigma=1.7)
        key = realization_keys(model, np.uint32(3), np.uint32(5)).data
        wide = Logistic(n=40, d=44, sigma=1.7)
        own = jax.jit(drawn)(model, key, True).x
        shared = jax.jit(drawn)(wide, key, True, np.int32(d)).x
    assert np.array_equal(shared[:, :d], own)
    assert not np.asarray(shared[:, d:]).any()


@pytest.mark.slow
def test_neighbours_share_a_program_and_a_pool():
    engine = Engine("cpu")
    one, two = (engine.program(family(d=d)) for d in (17, 18))
    assert one.same(two)


def test_what_cannot_be_left_out_is_not_padded():
    for model, solver in ((Logistic(n=40, d=17), GradientDescent()), (TwoGaussians(n=40, d=17), Limit())):
        task = Task(model, solver)
        assert compiled(task) == task
        assert rows_of(Family((task,)), np.arange(2)).used is None


@pytest.mark.parametrize("d", [pytest.param(d, marks=pytest.mark.slow) for d in (9, 17, 23)])
def test_rows_are_those_of_a_program_of_their_own(d, monkeypatch):
    chunk = Chunk(family(d=d), 0, 40)
    assert compiled(chunk.family.tasks[0]).model.d > d
    shared = table(Engine("cpu").compute(chunk))
    monkeypatch.setattr(Logistic, "width", lambda model: model.d)
    own = table(Engine("cpu").compute(chunk))
    assert not list(differences(own, shared))
    assert own["separable"].to_pylist() == shared["separable"].to_pylist()
    assert all(shared["certified"].to_pylist())


def test_columns_of_the_data_that_are_zero_are_no_padding():
    """Padding is known by its place: a diagonal that happens to be zero is not overwritten."""
    with jax.enable_x64(True):
        h = np.diag([2.0, 0.0, 3.0, 0.0])
        factor = jax.jit(linear.factorise, static_argnums=(1, 2))(h, 0.0, 1.0, np.int32(3))
    assert not np.isfinite(factor.upper[-1, -1]) or factor.shift > 0


PADDED = '''
import jax
import jax.numpy as jnp
import sweepjax as sj
from sweepjax.primitives import padding


@sj.plugin
class Own:
    """Gaussian rows."""

    n: int = sj.parameter(12)
    d: int = sj.parameter(5)
    padded = "d"

    def width(self):
        return 8

    def sample(self, key, used=None):
        return padding.normal(key, self.n, self.d, used)

    def init(self, key, data):
        return jnp.zeros(self.d)

    def signed_rows(self, data):
        return data
'''


def checked(source, folder, name):
    """Try the plug-ins of a sweep over the model of a source."""
    (folder / f"{name}.py").write_text(source)
    check(Sweep(model=f"{name}:Own", realizations=1))


def test_a_padded_model_of_the_users_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checked(PADDED, tmp_path, "padded_right")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('padded = "d"', 'padded = "k"', "padded of Own is 'k'; name one of its integer fields"),
        ("return 8", "return 4", "Own.width returns 4 where d is 5; return as much or more"),
        ("return 8", "return 8.0", "Own.width returns 8.0 where d is 5"),
        ("used", "more", "Own.sample takes no `used`; write sample"),
        ("self.d, used)", "self.d, None)", "Own.sample draws another dataset with `used`"),
    ],
)
def test_a_model_that_is_padded_wrongly_is_refused_with_its_line(old, new, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=re.escape(words)) as told:
        checked(PADDED.replace(old, new), tmp_path, tmp_path.name)
    assert re.match(rf"{tmp_path.name}.py:\d+: ", str(told.value))


@pytest.mark.slow
def test_rows_of_neighbours_share_lanes_and_are_those_of_each_alone():
    chunks = [Chunk(family(d=d), 0, 24) for d in (17, 18, 19)]
    together = dict(Engine("cpu", 4).stream(chunks))
    for chunk in chunks:
        alone = table(Engine("cpu", 1).compute(chunk))
        assert not list(differences(alone, table(together[chunk])))
