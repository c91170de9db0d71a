"""LAPACK on a CPU: one call after the other for lanes, and no copies."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.custom_batching import custom_vmap, sequential_vmap
from jaxlib.lapack import prepare_lapack_call
from jaxtyping import Array, Float


def one_by_one(routine: Callable[..., Array]) -> Callable[..., Array]:
    """Return a LAPACK routine that a CPU calls for one lane after the other; elsewhere lanes stay a batch.

    Of a batch jaxlib makes tasks for the threads on which its devices run, and waits: where each device does
    so, no thread is left to take a task, and none ever goes on.

    Args:
        routine: a function of arrays that returns one array.
    """
    serial, alone = sequential_vmap(routine), custom_vmap(routine)

    @alone.def_vmap
    def lanes(size: int, batched: list[bool], *arrays: Array) -> tuple[Array, bool]:
        axes = [0 if each else None for each in batched]
        on_cpu, elsewhere = (jax.vmap(each, axes, axis_size=size) for each in (serial, routine))
        return lax.platform_dependent(*arrays, cpu=on_cpu, default=elsewhere), True

    return alone


@one_by_one
def cholesky(h: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """Return U of H = UᵀU in the upper half, from that of H; nan in its last place where H is not positive definite.

    The other half is not cleared, as JAX's own function does in a pass over all.
    """
    return lax.platform_dependent(h, cpu=_potrf, default=lambda h: lax.linalg.cholesky_p.bind(h.T).T)


def _potrf(h: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """Our rows are taken for LAPACK's columns: the layouts that XLA chooses for its primitive cost three copies."""
    result = jax.ShapeDtypeStruct(h.shape, h.dtype), jax.ShapeDtypeStruct((), np.int32)
    name = prepare_lapack_call("potrf_ffi", h.dtype)
    call = jax.ffi.ffi_call(name, result, input_output_aliases={0: 0}, vmap_method="sequential")
    upper, failed = call(h, uplo=np.uint8(ord("L")))
    return upper.at[-1, -1].set(jnp.where(failed == 0, upper[-1, -1], jnp.nan))


def for_solving(upper: Float[Array, "d d"]) -> Float[Array, "d d"]:
    """Return what `solved` takes: U in the upper half on a CPU, elsewhere U⁻¹."""
    return lax.platform_dependent(upper, cpu=lambda upper: upper, default=_inverse)


def solved(upper: Float[Array, "d d"], r: Float[Array, " d"]) -> Float[Array, " d"]:
    """Return (UᵀU)⁻¹ r: by two triangular systems on a CPU, elsewhere by two products."""
    return lax.platform_dependent(upper, r, cpu=_substituted, default=lambda inverse, r: inverse @ (inverse.T @ r))


@one_by_one
def _substituted(upper: Float[Array, "d d"], r: Float[Array, " d"]) -> Float[Array, " d"]:
    return jax.scipy.linalg.cho_solve((upper.T, True), r)


def _inverse(upper: Float[Array, "d d"]) -> Float[Array, "d d"]:
    return jax.scipy.linalg.solve_triangular(upper, jnp.eye(upper.shape[0], dtype=upper.dtype))


def eigh(h: Float[Array, "d d"]) -> tuple[Float[Array, " d"], Float[Array, "d d"]]:
    """Return the eigenvalues of a symmetric matrix, ascending, and its eigenvectors as columns."""
    both = _eigh(h)
    return both[0], both[1:]


@one_by_one
def _eigh(h: Float[Array, "d d"]) -> Float[Array, "d+1 d"]:
    """One array, as `one_by_one` needs it: the eigenvalues above the eigenvectors."""
    values, vectors = jnp.linalg.eigh(h)[:2]
    return jnp.concatenate([values[None], vectors])


@one_by_one
def eigenvalues(h: Float[Array, "d d"]) -> Float[Array, " d"]:
    """Return the eigenvalues of a symmetric matrix, ascending."""
    return jnp.linalg.eigvalsh(h)
