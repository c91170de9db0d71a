"""The product x·S of a linear model: float32 data, float64 weights, float64 gradients of any size.

The multiplication is done in the precision of the data, which are neither widened nor copied. A gradient
Σ c_i x_i is summed relative to Σ |c_i|, so that late weights of 1e-60 do not vanish in float32.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jax.core import ShapedArray
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float, Float64


def product(x: Float[Array, "n d"], s: Float[Array, " d"]) -> Float64[Array, " n"]:
    """Return x @ s, linear in s and differentiable in it any number of times, in either mode."""
    return _product.bind(x, s.astype(jnp.float64), transposed=False)


def combination(x: Float[Array, "n d"], q: Float[Array, " n"]) -> Float64[Array, " d"]:
    """Return q @ x, the rows added up with these weights; linear in q and differentiable as `product` is."""
    return _product.bind(x, q.astype(jnp.float64), transposed=True)


@jax.custom_jvp
def softplus(f: Float64[Array, "*n"]) -> Float64[Array, "*n"]:
    """Return log(1 + e^f). Its derivative is the sigmoid itself, so that a gradient takes no logarithm."""
    # Without a branch, which would keep a CPU from computing several at a time.
    return jnp.maximum(f, 0) + jnp.log1p(jnp.exp(-jnp.abs(f)))


@softplus.defjvp
def _slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    (f,), (tangent,) = primals, tangents
    return softplus(f), jax.nn.sigmoid(f) * tangent


# JAX's own custom derivatives either fix one mode or cannot be mapped, hence a primitive. It acts on the
# last axis of v: x is [*B n d] and v is [*B *K d] after maps over both, then over v alone.
_product = Primitive("linear_model_product")


def _multiply(x: Array, v: Array, *, transposed: bool) -> Array:
    scale = _scale(v) if transposed and x.dtype != v.dtype else 1.0
    mapped = tuple(range(x.ndim - 2))
    axes = (((v.ndim - 1,), (x.ndim - 1 - transposed,)), (mapped, mapped))
    result = lax.dot_general((v / scale).astype(x.dtype), x, axes, precision=lax.Precision.HIGHEST)
    return result.astype(v.dtype) * scale


def _scale(v: Array) -> Array:
    """Sum of the magnitudes, within limits that keep it and its inverse normal; on a CPU the largest costs more."""
    return jnp.clip(jnp.sum(jnp.abs(v), axis=-1, keepdims=True), 1e-300, 1e300)


def _shape(x: ShapedArray, v: ShapedArray, *, transposed: bool) -> ShapedArray:
    return v.update(shape=(*v.shape[:-1], x.shape[-1 if transposed else -2]))


def _tangent_of_data(tangent: Array, x: Array, v: Array, *, transposed: bool) -> Array:
    return _product.bind(tangent, v, transposed=transposed)


def _tangent(tangent: Array, x: Array, v: Array, *, transposed: bool) -> Array:
    return _product.bind(x, tangent, transposed=transposed)


def _transpose(cotangent: Array, x: Array, v: Array, *, transposed: bool) -> tuple[None, Array | None]:
    if ad.is_undefined_primal(x):
        raise ValueError("`product` has no gradient in the data x; take it in s, or write x @ s")
    if isinstance(cotangent, ad.Zero):
        return None, None
    return None, _product.bind(x, cotangent, transposed=not transposed)


def _map(operands: tuple[Array, Array], axes: tuple[int | None, int | None], *, transposed: bool) -> tuple[Array, int]:
    (x, v), (x_axis, v_axis) = operands, axes
    mapped = x.ndim - 2
    if x_axis is not None:
        x, mapped = jnp.moveaxis(x, x_axis, 0), 0
    v = jnp.broadcast_to(v, (x.shape[0], *v.shape)) if v_axis is None else jnp.moveaxis(v, v_axis, mapped)
    return _product.bind(x, v, transposed=transposed), mapped


_product.def_impl(_multiply)
_product.def_abstract_eval(_shape)
mlir.register_lowering(_product, mlir.lower_fun(_multiply, multiple_results=False))
ad.defjvp(_product, _tangent_of_data, _tangent)
ad.primitive_transposes[_product] = _transpose
batching.primitive_batchers[_product] = _map
