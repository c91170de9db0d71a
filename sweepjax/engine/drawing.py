"""What a row begins with: its dataset, its parameters at t = 0, and the solver's view of the data."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import ClosedJaxpr, Literal, jaxpr_as_fun
from jaxtyping import Array, ArrayLike, Bool, Key, UInt32

from sweepjax.keys import Keys, fingerprint, keys_of
from sweepjax.types import Problem


class Row(NamedTuple):
    """What a realization is computed from."""

    model: Any
    solver: Any
    seed: UInt32[ArrayLike, ""]
    realization: UInt32[ArrayLike, ""]
    fingerprint: Any = None  # of the model itself, where it is padded
    used: Any = None  # the true value of its padded field

    @property
    def keys(self) -> Keys:
        """The keys of its draws."""
        who = fingerprint(self.model) if self.used is None else self.fingerprint
        return keys_of(who, self.seed, self.realization)


def started(model: Any, key: Key[Array, ""], data: Any) -> Any:
    """Return the parameters at t = 0, as arrays."""
    return jax.tree.map(jnp.asarray, model.init(key, data))


def viewed(solver: Any, problem: Problem) -> Any:
    """Return the solver's view of the data, if it has one."""
    return solver.view(problem) if hasattr(solver, "view") else None


def small_of(view: Any) -> list[Array]:
    """Return the single numbers of a view; a key is none."""
    return [jnp.asarray(leaf) for leaf in jax.tree.leaves(view) if _is_number(leaf)]


def _is_number(leaf: Any) -> bool:
    return not jnp.shape(leaf) and not jnp.issubdtype(getattr(leaf, "dtype", float), jax.dtypes.extended)


def viewed_again(solver: Any, problem: Problem, small: list[Array]) -> Any:
    """Return the solver's view of the data again; its single numbers are given, not computed, and the rest is."""
    if not small:
        return viewed(solver, problem)
    given, tree = jax.tree.flatten(problem)
    traced, shapes = jax.make_jaxpr(lambda *leaves: viewed(solver, tree.unflatten(leaves)), return_shape=True)(*given)
    jaxpr = traced.jaxpr
    numbers = [out for out in jaxpr.outvars if _is_number(out.aval)]
    known = {number: value for number, value in zip(numbers, small, strict=True) if not isinstance(number, Literal)}
    rest = [each for each in jaxpr.eqns if not known.keys() & set(each.outvars)]
    fresh = [number for number in known if number not in jaxpr.invars]
    cut = jaxpr.replace(invars=[*jaxpr.invars, *fresh], eqns=rest, debug_info=jaxpr.debug_info)
    found = jaxpr_as_fun(ClosedJaxpr(cut, traced.consts))(*given, *(known[number] for number in fresh))
    return jax.tree.unflatten(jax.tree.structure(shapes), found)


def drawn(model: Any, key: Key[Array, ""], always: Bool[ArrayLike, ""] = True, used: Any = None) -> Any:
    """Draw a dataset; of a padded model, that of the value `used`."""
    return apart(model.sample if used is None else partial(model.sample, used=used), always, key)


def apart(function: Callable[..., Any], always: Bool[ArrayLike, ""], *arguments: Any) -> Any:
    """Return what a function returns, the same bits whatever is computed from it.

    The compiler fuses nothing into or out of a branch; an optimization barrier it drops too early on a CPU.
    """
    shapes = jax.eval_shape(function, *arguments)
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return lax.cond(always, function, lambda *_: nothing, *arguments)
