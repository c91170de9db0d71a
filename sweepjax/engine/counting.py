"""Operations counted in what a function is traced to; nothing is computed."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr

# These move numbers, or nothing at all once the compiler has joined them to what reads them.
FREE = {
    *("broadcast_in_dim", "reshape", "squeeze", "transpose", "slice", "rev", "copy", "iota", "convert_element_type"),
    *("stop_gradient", "select_n", "pad", "concatenate"),
}
FACTORS = {"cholesky", "triangular_solve", "lu", "qr", "householder_product", "eigh", "eig", "svd", "schur"}


class Operations(NamedTuple):
    """How often a function multiplies and adds in products of arrays, and how many other operations it does."""

    products: int = 0
    others: int = 0

    def __add__(self, other: Any) -> "Operations":
        return Operations(self.products + other.products, self.others + other.others)

    def times(self, count: int) -> "Operations":
        """Return the operations of that many repetitions."""
        return Operations(count * self.products, count * self.others)


def operations(function: Callable[..., Any], *arguments: Any) -> Operations:
    """Count the operations of a function; a loop without a length is taken once, a branch at its dearest."""
    return _of_program(jax.make_jaxpr(function)(*arguments).jaxpr)


def _of_program(program: Jaxpr) -> Operations:
    return sum(map(_of_equation, program.eqns), Operations())


def _of_equation(equation: Any) -> Operations:
    name, params = equation.primitive.name, equation.params
    inner = [_of_program(each) for value in params.values() for each in _programs(value)]
    if name == "cond":
        return max(inner)
    if inner:
        return sum(inner, Operations()).times(params["length"] if name == "scan" else 1)
    out = sum(value.aval.size for value in equation.outvars)
    if name == "dot_general":
        (axes, _), _ = params["dimension_numbers"]
        return Operations(products=out * math.prod(equation.invars[0].aval.shape[axis] for axis in axes))
    if name == "conv_general_dilated":
        kernel, features = equation.invars[1].aval, params["dimension_numbers"].rhs_spec[0]
        return Operations(products=out * kernel.size // kernel.shape[features])
    if name in FACTORS:
        first = equation.invars[0].aval
        return Operations(products=max(out, first.size) * first.shape[-1])
    return Operations(others=0 if name in FREE else max([out, *map(_size, equation.invars)]))


def _size(value: Any) -> int:
    return getattr(value.aval, "size", 0)


def _programs(value: Any) -> list[Jaxpr]:
    """Return the programs among the parameters of an equation."""
    if isinstance(value, list | tuple):
        return [each for item in value for each in _programs(item)]
    if isinstance(value, ClosedJaxpr):
        return [value.jaxpr]
    return [value] if isinstance(value, Jaxpr) else []
