"""The transformer of modular arithmetic: what it computes, how it is trained, and that it groks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from networks import drawn, slopes
from scipy.special import log_softmax, softmax

import sweepjax as sj
from sweepjax.keys import realization_keys
from sweepjax.models.transformer_modular import TransformerModular

TINY = {"p": 5, "width": 8, "heads": 2, "fraction": 0.6}
SHORT = TransformerModular(**TINY)
WHOLE = TransformerModular(**TINY, layers=2, head="tied", layer_norm="post", loss_on="right", equation="whole")
FAST = {"model": "transformer_modular", "solver": "adamw", "b2": 0.98, "weight_decay": 1.0, "learning_rate": 1e-3}


@pytest.fixture(autouse=True)
def double():
    """Every test computes as rows do, with float64."""
    with jax.enable_x64(True):
        yield


def columns(model, params, data):
    """The metrics as plain numbers, of one program."""
    return {name: float(value) for name, value in jax.jit(model.metrics)(params, data).items()}


def by_hand(model, params, *, answered=False):
    """The scores at `=` and after it by matrices of all tokens and a causal mask, in float64."""
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
    k, w, heads = model.table.kinds, model.width, model.heads
    a, b, result = model.table.a, model.table.b, model.table.result
    ones = np.ones_like(a)
    read = [a, b, k * ones] if model.equation == "short" else [(k + 1) * ones, a, (k + 2) * ones, b, k * ones]
    tokens = np.stack([*read, *[result] * answered], axis=1)
    count = tokens.shape[1]
    if params.positions is None:
        angles = np.arange(count)[:, None] / 10_000 ** (2 * np.arange(w // 2) / w)
        places = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(count, w)
    else:
        places = params.positions[:count]
    x = params.embedding[tokens] + places
    for layer in params.layers:
        q, key, value, out = layer.attention
        split = [(x @ each).reshape(len(x), count, heads, -1).swapaxes(1, 2) for each in (q, key, value)]
        fits = split[0] @ split[1].swapaxes(2, 3) / np.sqrt(w / heads)
        seen = softmax(np.where(np.tri(count, dtype=bool), fits, -np.inf), axis=3) @ split[2]
        x = normed(x + seen.swapaxes(1, 2).reshape(x.shape) @ out, layer.norms, 0)
        up, down = layer.biases or (0, 0)
        x = normed(x + np.maximum(x @ layer.up + up, 0) @ layer.down + down, layer.norms, 1)
    scores = x @ (params.embedding.T if params.head is None else params.head)
    return scores[:, len(read) - 1], scores[:, -1]


def normed(x, norms, which):
    if norms is None:
        return x
    centred = x - x.mean(axis=-1, keepdims=True)
    scale, shift = norms[which]
    return scale * centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5) + shift


def shaken(params, seed=0):
    """Parameters none of which has the value that it starts with."""
    y, unravel = ravel_pytree(params)
    return unravel(y + np.float32(0.3) * np.random.default_rng(seed).standard_normal(y.size).astype(np.float32))


def losses(scores, answers):
    return -log_softmax(scores, axis=1)[np.arange(len(answers)), answers]


@pytest.mark.parametrize("model", [SHORT, WHOLE], ids=["short", "whole"])
def test_columns_are_those_of_a_forward_pass_in_numpy(model):
    data, start = drawn(model)
    params = shaken(start)
    scores, train, label = by_hand(model, params)[0], np.asarray(data.train), np.asarray(data.label)
    each, right, found = losses(scores, label), scores.argmax(axis=1) == label, columns(model, params, data)
    assert found["train_loss"] == pytest.approx(each[train].mean(), rel=1e-5)
    assert found["test_loss"] == pytest.approx(each[~train].mean(), rel=1e-5)
    assert (found["train_accuracy"], found["test_accuracy"]) == (right[train].mean(), right[~train].mean())
    y = np.asarray(ravel_pytree(params)[0], np.float64)
    assert found["norm"] == pytest.approx(np.linalg.norm(y), rel=1e-5)
    last = params.embedding if params.head is None else params.head
    assert found["head_norm"] == pytest.approx(float(jnp.linalg.norm(last)), rel=1e-5)


@pytest.mark.parametrize("model", [SHORT, pytest.param(WHOLE, marks=pytest.mark.slow)], ids=["short", "whole"])
def test_training_sees_the_result_or_the_end_as_well(model):
    data, start = drawn(model)
    params, label = shaken(start), np.asarray(data.label)
    result, end = by_hand(model, params, answered=model is WHOLE)
    each = losses(result, label)
    if model is WHOLE:
        each = (each + losses(end, np.full_like(label, 6))) / 2
    loss = jax.jit(model.training_loss)
    whole, batch = float(loss(params, data)), float(loss(params, data, jnp.array([3, 7, 3])))
    assert whole == pytest.approx(each[np.asarray(data.train)].mean(), rel=1e-5)
    assert batch == pytest.approx(each[[3, 7, 3]].mean(), rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("model", [SHORT, WHOLE], ids=["short", "whole"])
def test_the_gradient_is_that_of_differences(model):
    model = TransformerModular(**{**vars(model), "precision": "float64"})
    data, start = drawn(model)
    one, other = slopes(model, shaken(start), data)
    assert one == pytest.approx(other, rel=1e-5)


def test_pairs_of_more_than_one_block_are_trained_on_once_each():
    model = TransformerModular(p=13, width=8, heads=2, fraction=0.8)  # 135 of 169 pairs, and 128 in a block
    data, start = drawn(model)
    each, train = losses(by_hand(model, start)[0], np.asarray(data.label)), np.asarray(data.train)
    assert float(jax.jit(model.training_loss)(start, data)) == pytest.approx(each[train].mean(), rel=1e-5)


@pytest.mark.parametrize("fraction", [pytest.param(0.01, marks=pytest.mark.slow), 0.8])
def test_gradients_and_curvatures_of_blocks_are_those_of_one_batch(fraction):
    model = TransformerModular(p=13, width=8, heads=2, fraction=fraction, precision="float64")
    data, start = drawn(model)
    train, y = jnp.flatnonzero(data.train), shaken(start)
    v = shaken(start, seed=1)
    for batch in (None, train):
        slope = jax.grad(lambda y, batch=batch: model.training_loss(y, data, batch))
        found = jax.jit(lambda y, v, slope=slope: jax.jvp(slope, (y,), (v,)))(y, v)
        both = jax.jit(jax.vmap(slope))(jax.tree.map(lambda a, b: jnp.stack([a, b]), y, v))
        alike = [ravel_pytree(each)[0] for each in (*found, both)]
        if batch is None:
            blocks = alike
    for one, other in zip(blocks, alike, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_the_start_has_the_variances_of_its_authors_times_the_scale():
    start = drawn(TransformerModular(p=97, init_scale=2.0))[1]
    layer = start.layers[0]
    for part in (start.embedding, start.positions, layer.attention, layer.up, layer.down):
        assert float(jnp.std(part)) == pytest.approx(2 * 128**-0.5, rel=0.1)
    assert start.embedding.shape == (98, 128)  # the numbers and the sign of equality
    assert float(jnp.std(start.head)) == pytest.approx(2 * 98**-0.5, rel=0.05)
    assert sum(leaf.size for leaf in jax.tree.leaves(start)) == 98 * 256 + 4 * 128 + 12 * 128**2 + 5 * 128


def test_a_loss_that_is_lost_to_rounding_is_counted_and_float64_loses_less():
    for precision, lost in (("float32", 1), ("float64", 0)):
        model = TransformerModular(**TINY, precision=precision)
        data, start = drawn(model)
        alone = data._replace(label=jnp.zeros_like(data.label))
        sure = start._replace(head=0 * start.head, embedding=0 * start.embedding, positions=0 * start.positions)
        layer = sure.layers[0]
        still = layer._replace(down=0 * layer.down, biases=(layer.biases[0], jnp.ones_like(layer.biases[1])))
        sure = sure._replace(layers=(still,), head=sure.head.at[:, 0].set(2.5))  # scores 20 and 0
        assert columns(model, sure, alone)["underflow"] == lost


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match="width = 10 cannot be shared by 4 heads; give a multiple"):
        sj.run(**FAST, p=5, width=10, until=1.0)


@pytest.mark.slow
def test_it_lowers_for_a_gpu():
    data, start = drawn(WHOLE)
    step = jax.jit(jax.grad(WHOLE.training_loss)).trace(start, data)
    assert "stablehlo" in step.lower(lowering_platforms=("cuda",)).as_text()


def drawn_as_a_row(model):
    keys = realization_keys(model, np.uint32(0), np.uint32(0))
    data = jax.jit(model.sample)(keys.data)
    return data, jax.jit(model.init)(keys.init, data)


@pytest.mark.slow
@pytest.mark.parametrize("model", [SHORT, WHOLE], ids=["short", "whole"])
def test_fifty_steps_are_those_of_pytorch(model):
    torch = pytest.importorskip("torch")
    data, start = drawn_as_a_row(model)
    leaves, tree = jax.tree.flatten(start)
    mine = [torch.nn.Parameter(torch.tensor(np.array(leaf))) for leaf in leaves]
    optimiser = torch.optim.AdamW(mine, lr=1e-2, betas=(0.9, 0.98), eps=1e-8, weight_decay=1.0)
    warm = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1, (step + 1) / 10))
    train, label = np.flatnonzero(data.train), torch.tensor(np.asarray(data.label)).long()
    found = []
    for _ in range(51):
        loss, of_result = losses_of_torch(torch, model, jax.tree.unflatten(tree, mine), train, label)
        found.append(of_result.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        warm.step()
    fields = {name: value for name, value in vars(model).items() if name != "precision"}
    options = {**FAST, "learning_rate": 1e-2, "warmup": 10.0, "until": 50.0, "record": "0:50", "realizations": 1}
    frame = sj.run(**options, **fields)
    np.testing.assert_allclose(frame["train_loss"][0], found, rtol=2e-4)


def losses_of_torch(torch, model, params, train, label):
    """The training loss and that of the result alone, as PyTorch's own modules say it."""
    k = model.table.kinds
    a, b = (torch.tensor(each[train]) for each in (model.table.a, model.table.b))
    fixed = [torch.full_like(a, k + extra) for extra in range(3)]
    short = model.equation == "short"
    read = [a, b, fixed[0]] if short else [fixed[1], a, fixed[2], b, fixed[0], label[train]]
    x = torch.nn.functional.embedding(torch.stack(read, dim=1), params.embedding)
    count, w = x.shape[1:]
    angles = torch.arange(count)[:, None] / 10_000 ** (2 * torch.arange(w // 2) / w)
    x = x + (params.positions[:count] if short else torch.stack([angles.sin(), angles.cos()], 2).reshape(count, w))
    for layer in params.layers:
        q, key, value = ((x @ layer.attention[i]).unflatten(2, (model.heads, -1)).transpose(1, 2) for i in range(3))
        seen = torch.nn.functional.scaled_dot_product_attention(q, key, value, is_causal=True)
        x = x + seen.transpose(1, 2).flatten(2) @ layer.attention[3]
        x = x if short else torch.nn.functional.layer_norm(x, (w,), *layer.norms[0])
        up, down = layer.biases or (0, 0)
        x = x + torch.relu(x @ layer.up + up) @ layer.down + down
        x = x if short else torch.nn.functional.layer_norm(x, (w,), *layer.norms[1])
    scores = x @ (params.embedding.T if params.head is None else params.head)
    cross_entropy = torch.nn.functional.cross_entropy
    if short:
        return (cross_entropy(scores[:, -1], label[train]),) * 2
    result, end = cross_entropy(scores[:, -2], label[train]), cross_entropy(scores[:, -1], fixed[1])
    return (result + end) / 2, result


@pytest.mark.slow
def test_it_memorises_and_then_groks():
    """Smaller tables grok or not by the last digits of the arithmetic; of this one every draw does by step 2,300."""
    options = {**FAST, "p": 43, "width": 64, "fraction": 0.35, "learning_rate": 1e-2, "weight_decay": 3.0}
    recorded = {"until": 6000.0, "record": "2", "stop": "test_accuracy>=0.99"}
    frame = sj.run(**options, **recorded, warmup=10.0, realizations=4)
    assert (frame["t_train_99"] < 1000).all()
    assert (frame["t_test_50"] > frame["t_train_99"]).all()
    assert (frame["t_test_99"] > frame["t_train_99"]).all()
