"""Binary operations whose whole table a network learns: modulo p, of the group S5, and a table without a law."""

import itertools
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]

POLYNOMIALS: dict[str, Callable[[Numbers, Numbers], Numbers]] = {
    "a+b": lambda a, b: a + b,
    "a-b": lambda a, b: a - b,
    "a*b": lambda a, b: a * b,
    "a^2+b^2": lambda a, b: a**2 + b**2,
    "a^2-b^2": lambda a, b: a**2 - b**2,
    "a^3+b": lambda a, b: a**3 + b,
    "a^2+ab+b^2": lambda a, b: a**2 + a * b + b**2,
    "a^2+ab+b^2+a": lambda a, b: a**2 + a * b + b**2 + a,
    "a^3+ab": lambda a, b: a**3 + a * b,
    "a^3+ab^2+b": lambda a, b: a**3 + a * b**2 + b,
}
OTHERS = ("a/b", "parity", "S5", "random")
OPERATIONS = (*POLYNOMIALS, *OTHERS)


class Operation(NamedTuple):
    """Every pair of operands once, and its result; `kinds` numbers are operands, and results."""

    a: Numbers
    b: Numbers
    result: Numbers
    kinds: int


@lru_cache(maxsize=64)
def operation(name: str, p: int) -> Operation:
    """Return the table of an operation.

    `a/b` has b from 1 and every a, its result c with b·c = a, for a prime p. `parity` is a/b where b is odd, and
    a - b where it is even. `S5` composes permutations of five things, b after a, whatever p is. The results of
    `random` are drawn with the dataset and 0 here.

    Raises:
        ValueError: p is not prime, and the operation divides.
    """
    if name == "S5":
        return _of_permutations()
    a, b = (each.ravel() for each in np.indices((p, p)))
    if name in POLYNOMIALS:
        return Operation(a, b, POLYNOMIALS[name](a, b) % p, p)
    if name == "random":
        return Operation(a, b, np.zeros_like(a), p)
    if any(p % factor == 0 for factor in range(2, int(p**0.5) + 1)):
        raise ValueError(f"operation {name!r} divides modulo p, and p = {p} is not prime; give a prime such as 23")
    inverse = np.array([0, *(pow(number, -1, p) for number in range(1, p))])
    divided = a * inverse[b] % p
    if name == "parity":
        return Operation(a, b, np.where(b % 2 == 1, divided, (a - b) % p), p)
    return Operation(a[b > 0], b[b > 0], divided[b > 0], p)


def _of_permutations() -> Operation:
    every = np.array(list(itertools.permutations(range(5))))
    number = {tuple(each): k for k, each in enumerate(every)}
    a, b = (each.ravel() for each in np.indices((len(every),) * 2))
    result = np.array([number[tuple(second[first])] for first, second in zip(every[a], every[b], strict=True)])
    return Operation(a, b, result, len(every))
