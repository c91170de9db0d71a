"""Count what a program computes: products, factorisations and triangular solves, in loops and branches, too.

Where nothing else is computed, operations on single numbers are counted as well, which elsewhere are taken to be free.
"""

import math
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax._src.source_info_util import user_frame  # no public spelling
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal

from sweepjax.engine.counting import FREE

COUNTED = {
    "dot_general": "product",
    "linear_model_product": "product",
    "cholesky": "Cholesky",
    "triangular_solve": "solve",
    "eigh": "eigenvectors",
}
EIGENVECTORS = 9  # times d³, which tridiagonal form, QR and back-transformation take
MOVING = FREE | {"gather", "scatter", "dynamic_slice", "dynamic_update_slice", "optimization_barrier", "split"}


class Site(NamedTuple):
    """Where a program multiplies, factorises or solves, and what one execution costs, all lanes together."""

    place: str
    kind: str
    precision: str
    size: int  # the rows of a factor
    flops: float
    bytes: float

    def narrowed(self) -> "Site":
        """Return the same in bfloat16 if it is a product of two matrices, which does more than it reads."""
        if self.kind != "product" or self.flops < 2 * self.bytes:
            return self
        return self._replace(precision="bfloat16", bytes=self.bytes * 2 / np.dtype(self.precision).itemsize)

    @staticmethod
    def of(equation: Any, *, elementwise: bool = False) -> "Site | None":
        """Return the cost of an equation of a jaxpr, of all its lanes together; None if it is taken to be free."""
        if equation.primitive.name not in COUNTED:
            return _elementwise(equation) if elementwise else None
        operands, out = [value.aval for value in equation.invars], equation.outvars[0].aval
        first, spared = operands[0], 0.0  # of a triangular matrix only half is moved
        size = first.shape[-1]
        match equation.primitive.name:
            case "dot_general":
                (axes, _), _ = equation.params["dimension_numbers"]
                flops = 2 * out.size * math.prod(first.shape[axis] for axis in axes)
            case "linear_model_product":
                flops = 2 * out.size * operands[1].shape[-1]
            case "cholesky":
                flops, spared = first.size * size / 3, _bytes(first)
            case "eigh":
                flops = EIGENVECTORS * first.size * size
            case _:
                flops, spared = out.size * size, _bytes(first) / 2
        moved = sum(map(_bytes, [*operands, out])) - spared
        return Site(_place(equation), COUNTED[equation.primitive.name], str(first.dtype), size, flops, moved)


def _elementwise(equation: Any) -> Site | None:
    """Return an operation on single numbers as a site without bytes; None if it moves them, or holds a program."""
    if equation.primitive.name in MOVING or any(
        isinstance(inner, ClosedJaxpr | Jaxpr) for inner in jax.tree.leaves(equation.params)
    ):
        return None
    sizes = [value.aval.size for value in [*equation.invars, *equation.outvars] if hasattr(value.aval, "size")]
    return Site(_place(equation), "elementwise", "float64", 0, float(max(sizes, default=0)), 0.0)


def _bytes(value: Any) -> float:
    return math.prod(value.shape) * value.dtype.itemsize


def _place(equation: Any) -> str:
    frame = user_frame(equation.source_info.traceback)
    return f"{Path(frame.file_name).stem}.{frame.function_name}" if frame else "inside JAX"


def products(program: Callable[..., Any], *arguments: Any) -> float:
    """Return the flop of a program's products of matrices, for a program without loops."""
    found = (Site.of(equation) for equation in _equations(jax.make_jaxpr(program)(*arguments).jaxpr))
    return sum(site.flops for site in found if site and site.kind == "product")


Sites = list[tuple[Site, float]]  # with their executions, which a mean may count


class Tally(NamedTuple):
    """The executions of the sites of a program, conditions of loops apart, and its answer."""

    sites: Sites
    answer: Any


class Counter:
    """A program compiled with a counter beside each site."""

    def __init__(self, program: Callable[..., Any], *arguments: Any, elementwise: bool = False) -> None:
        """Trace and compile the program for arguments like these."""
        self._site = partial(Site.of, elementwise=elementwise)
        traced, shape = jax.make_jaxpr(program, return_shape=True)(*arguments)
        found = map(self._site, _equations(traced.jaxpr))
        self._index = {site: k for k, site in enumerate(dict.fromkeys(site for site in found if site))}
        self._answer = jax.tree.structure(shape)
        none = jnp.zeros(len(self._index), dtype=jnp.int32)
        self._program = jax.jit(partial(self._run, traced)).lower(none, *jax.tree.leaves(arguments)).compile()

    @property
    def sites(self) -> list[Site]:
        """The sites of the program."""
        return list(self._index)

    def tally(self, *arguments: Any) -> Tally:
        """Run the program and count."""
        none = jnp.zeros(len(self._index), dtype=jnp.int32)
        counts, *leaves = self._program(none, *jax.tree.leaves(arguments))
        sites = list(zip(self._index, np.asarray(counts).tolist(), strict=True))
        return Tally(sites, jax.tree.unflatten(self._answer, leaves))

    def _run(self, traced: ClosedJaxpr, counts: Any, *values: Any) -> tuple[Any, ...]:
        known = dict(zip(traced.jaxpr.constvars, traced.consts, strict=True))
        known |= dict(zip(traced.jaxpr.invars, values, strict=True))

        def read(atom: Any) -> Any:
            return atom.val if isinstance(atom, Literal) else known[atom]

        for equation in traced.jaxpr.eqns:
            counts, *results = self._apply(equation, counts, *map(read, equation.invars))
            known |= dict(zip(equation.outvars, results, strict=True))
        return counts, *map(read, traced.jaxpr.outvars)

    def _apply(self, equation: Any, counts: Any, *values: Any) -> tuple[Any, ...]:
        params = equation.params
        match equation.primitive.name:
            case "while":
                return self._while(params, counts, *values)
            case "scan":
                return self._scan(params, counts, *values)
            case "platform_index":  # what is counted is what is computed elsewhere than on a CPU: lanes as a batch
                return counts, jnp.int32(params["platforms"].index(None))
            case "cond":
                return lax.switch(
                    values[0], [partial(self._run, one) for one in params["branches"]], counts, *values[1:]
                )
        inner = next((params[name] for name in ("jaxpr", "call_jaxpr", "call") if name in params), None)
        if inner is not None:
            return self._run(inner, counts, *values)
        results = equation.primitive.bind(*values, **params)
        site = self._site(equation)
        counts = counts.at[self._index[site]].add(1) if site else counts
        return counts, *(results if equation.primitive.multiple_results else [results])

    def _while(self, params: dict[str, Any], counts: Any, *values: Any) -> tuple[Any, ...]:
        first, second = params["cond_nconsts"], params["cond_nconsts"] + params["body_nconsts"]

        def claim(carry: tuple[Any, ...]) -> Any:
            return self._run(params["cond_jaxpr"], carry[0], *values[:first], *carry[1:])[1]

        def body(carry: tuple[Any, ...]) -> tuple[Any, ...]:
            counts, *results = self._run(params["body_jaxpr"], carry[0], *values[first:second], *carry[1:])
            if not params["cond_jaxpr"].out_avals[0].shape:
                return counts, *results
            return counts, *(_kept(claim(carry), *pair) for pair in zip(results, carry[1:], strict=True))

        return lax.while_loop(lambda carry: jnp.any(claim(carry)), body, (counts, *values[second:]))

    def _scan(self, params: dict[str, Any], counts: Any, *values: Any) -> tuple[Any, ...]:
        first, second = _consts_and_carry(params)

        def body(carry: tuple[Any, ...], slices: tuple[Any, ...]) -> tuple[Any, Any]:
            counts, *results = self._run(params["jaxpr"], carry[0], *values[:first], *carry[1:], *slices)
            return (counts, *results[: second - first]), results[second - first :]

        start, slices = (counts, *values[first:second]), values[second:]
        carry, stacked = lax.scan(body, start, slices, length=params["length"], reverse=params["reverse"])
        return *carry, *stacked


def _consts_and_carry(params: dict[str, Any]) -> tuple[int, int]:
    """Return how many inputs of a scan are constants, and how many these are with what it carries."""
    if "num_consts" in params:
        return params["num_consts"], params["num_consts"] + params["num_carry"]
    consts, carry, _ = params["ft_in"].unpack()  # from JAX 0.11 on
    return len(consts), len(consts) + len(carry)


def _kept(wanted: Any, new: Any, old: Any) -> Any:
    """Return what a loop over several lanes keeps: lanes that are done stand still until all are."""
    return jnp.where(jnp.reshape(wanted, wanted.shape + (1,) * (new.ndim - wanted.ndim)), new, old)


def _equations(jaxpr: Any) -> Iterable[Any]:
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.tree.leaves(equation.params):
            if isinstance(inner, ClosedJaxpr):
                yield from _equations(inner.jaxpr)
