import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from sweepjax_cli import app

from sweepjax.engine.counting import Operations, operations
from sweepjax.engine.engine import Engine
from sweepjax.engine.given import Brought, Given
from sweepjax.engine.sizes import check_memory, dataset_elements, default_chunk_rows, shape, work
from sweepjax.presets import preset, preset_names
from sweepjax.solvers.gradient_descent import GradientDescent
from sweepjax.solvers.limit import Limit
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Task, parameter, plugin


@plugin
class Net:
    """A network of one hidden layer on points of one coordinate."""

    points: int = parameter(10)
    width: int = parameter(8)

    def sample(self, key):
        return jax.random.normal(key, (self.points, 1), jnp.float32)

    def init(self, key, data):
        return jax.random.normal(key, (1, self.width)), jnp.ones((self.width, self.width))

    def training_loss(self, params, data, batch=None):
        first, second = params
        return jnp.mean(jnp.tanh(jnp.tanh(data @ first) @ second) ** 2)

    def metrics(self, params, data):
        return {"train_loss": self.training_loss(params, data)}


ROWS = {
    "completion_collapse": 4096,
    "completion_published": 64,
    "deep_diagonal": 64,
    "diagonal_collapse": 1024,
    "diagonal_grokking": 128,
    "diagonal_misgrokking": 256,
    "estimate_existence": 1024,
    "misgrokking_published": 16,
    "relu_modular_smoke": 128,
    "xor_relu_smoke": 16,
    "critical": 2048,
    "exponential_times": 1024,
    "grokking_times": 512,
    "lambda_scan": 1024,
    "linear_decay": 512,
    "linear_delay": 128,
    "linear_estimators": 8,
    "linear_outputs": 128,
    "linear_stuck": 4096,
    "margins": 16,
    "s_statistics": 32,
    "symmetric_laws": 1024,
    **dict.fromkeys(("ball_penalties", "ball_share", "ball_times"), 4096),
    **dict.fromkeys(("perceptron_penalties", "perceptron_probability", "perceptron_times"), 4096),
    **dict.fromkeys(("critical_window", "two_point", "two_point_delay", "two_point_times"), 4096),
}


def each_preset():
    """Every preset; of those of transformers, which take long to trace, one that is not slow."""
    long = [name for name in preset_names() if name.startswith("transformer_")][1:]
    return [pytest.param(name, marks=[pytest.mark.slow] * (name in long)) for name in preset_names()]


@pytest.mark.parametrize("name", each_preset())
def test_the_rows_of_a_chunk_of_a_preset_stay_what_they_are(name):
    assert default_chunk_rows(preset(name)) == ROWS.get(name, 8)


def rows(width, *, solver="gradient_descent", until=100.0):
    return default_chunk_rows(Sweep(model=f"{Net.__module__}:Net", solver=solver, until=until).replaced(width=width))


def test_a_wide_network_on_a_small_dataset_gets_small_chunks():
    assert [rows(width) for width in ("8", "128", "1024")] == [4096, 256, 8]


def test_the_largest_network_of_a_sweep_decides():
    assert rows("8,128") == rows("128")


def test_more_steps_make_smaller_chunks():
    assert rows("128", until=1600.0) == rows("128") // 16


def test_flows_count_the_operations_of_the_gradient_too():
    assert rows("128", solver="gradient_flow") == rows("128")


def test_the_work_of_a_network_is_half_the_multiplications_of_its_gradient():
    layers = 10 * 64 + 10 * 64**2
    backward = 10 * 64 + 2 * 10 * 64**2
    assert work(Net(width=64), GradientDescent) == (layers + backward) // 2


def test_the_work_of_a_linear_model_is_the_size_of_its_dataset():
    model = preset("grokking_times").model_class(n=400, d=200)
    assert work(model, GradientDescent) == work(model, Limit) == dataset_elements(model) == 400 * 200 + 400


def count(function, *shapes):
    return operations(function, *(jax.ShapeDtypeStruct(shape, "float32") for shape in shapes))


def test_a_product_of_matrices_counts_its_multiplications():
    assert count(jnp.matmul, (2, 3), (3, 5)) == Operations(products=30)
    assert count(jax.vmap(jnp.matmul), (7, 2, 3), (7, 3, 5)) == Operations(products=210)


def test_a_convolution_counts_its_multiplications():
    def convolved(image, kernel):
        return lax.conv_general_dilated(image, kernel, (1, 1), "VALID")

    assert count(convolved, (1, 3, 8, 8), (4, 3, 5, 5)).products == 4 * 4 * 4 * 3 * 5 * 5


def test_a_factor_counts_its_size_times_its_side():
    assert count(jnp.linalg.cholesky, (6, 6)).products == 6**3


def test_other_operations_count_their_elements_and_moving_numbers_is_free():
    assert count(lambda x: jnp.sin(x).reshape(2, 3).T, (6,)) == Operations(others=6)
    assert count(jnp.sum, (6,)) == Operations(others=6)


def test_a_loop_counts_every_trip_and_one_without_a_length_a_single_one():
    def looped(x):
        return lax.scan(lambda x, _: (x @ x, None), x, length=10)[0]

    def unbounded(x):
        return lax.while_loop(lambda x: x[0, 0] < 1, lambda x: x @ x, x)

    assert count(looped, (3, 3)).products == 10 * 27
    assert count(unbounded, (3, 3)).products == 27


def test_a_branch_counts_as_its_dearest():
    def branched(x):
        return lax.cond(x[0, 0] > 0, lambda x: x @ x, lambda x: x + 1, x)

    assert count(branched, (3, 3)).products == 27


def test_what_is_compiled_or_recomputed_inside_counts():
    assert count(jax.jit(lambda x: x @ x), (3, 3)).products == 27
    assert count(jax.grad(jax.checkpoint(lambda x: jnp.sum(x @ x))), (3, 3)).products == 3 * 27


TRACED = []


@plugin
class Watched(Net):
    """A network that notes each time its dataset is traced."""

    def sample(self, key):
        TRACED.append(self)
        return super().sample(key)


def test_how_wide_a_program_is_is_traced_once_for_all_of_its_calls():
    sweep = Sweep(model=f"{Net.__module__}:Watched", solver="gradient_descent", until=4.0)
    families = [next(sweep.replaced(realizations=count).families()) for count in (1, 2)]
    first = Engine("cpu").shape(families[0])
    before = len(TRACED)
    assert before
    assert [Engine("cpu").shape(family) for family in families] == [first, first]
    assert len(TRACED) == before


def held(model, solver, **axes):
    """How wide a program is on a CPU."""
    family = next(Sweep.from_toml({"model": model, "solver": solver} | axes).families())
    return Engine(device="cpu").shape(family)


def test_rows_that_wait_for_no_stage_share_lanes_and_calls_on_a_cpu():
    shape = held("perceptron_exponential", "exact", until=1, record=2)
    assert shape.lanes > 1
    assert shape.rows == 4096


def test_rows_that_wait_for_stages_go_one_after_the_other_on_a_cpu():
    assert held("perceptron_exponential", "gradient_flow", until=1, record=2)[:2] == (1, 1)


def test_long_records_make_short_calls():
    assert held("perceptron_exponential", "exact", until=1, record=1000).rows < 500


def brought(count, n=8, d=2):
    x = np.zeros((count, n, d), np.float32)
    return Brought((Task(Given(n, d), Limit()),) * count, x=x)


@pytest.mark.parametrize(("count", "lanes"), [(1, 1), (3, 8), (100, 16)])
def test_a_program_is_no_wider_than_the_data_that_are_brought_need(count, lanes):
    assert shape(16, brought(count), jax.devices()).lanes == lanes


@pytest.mark.parametrize(("d", "rows"), [(2, 4), (10**5, 1)])
def test_few_datasets_that_are_brought_enter_in_one_call(d, rows):
    assert shape(1, brought(1, d=d), jax.devices()).rows == rows


@pytest.mark.parametrize("verb", [[], ["--plan"]])
def test_a_dataset_that_no_memory_holds_is_refused_before_anything_is_made(verb, tmp_path, capsys):
    out = tmp_path / "out"
    assert app(["run", "--n", "100,1000000", "--d", "50,500000", "--realizations", "1", "-o", str(out), *verb]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "one dataset with n = 1000000, d = 500000 takes 1.86e+03 GiB, and this process may use" in said
    assert not out.exists()


def test_what_a_device_does_not_say_refuses_nothing(monkeypatch):
    monkeypatch.setattr("sweepjax.engine.sizes.memory", lambda device: None)
    check_memory(Sweep().replaced(n=10**6, d=5 * 10**5, realizations=1), None)
