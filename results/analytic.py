"""What the analytic weights of quadratic networks solve: OUT.csv [DRAWS].

A line for each operation, modulus and width: the mean share of all pairs that are right over draws of the phases, its
standard error and the number of draws. Weights exist for f₁(a) + f₂(b) alone.
"""

import sys

import numpy as np
import pandas as pd

from sweepjax.theory.modular_addition import analytic_weights, answers

OPERATIONS = {
    "a+b": (lambda a: a, lambda b: b),
    "a-b": (lambda a: a, lambda b: -b),
    "a^2+b^2": (lambda a: a**2, lambda b: b**2),
    "a^2-b^2": (lambda a: a**2, lambda b: -(b**2)),
    "a^3+b": (lambda a: a**3, lambda b: b),
}
SIZES = [(23, 11), (23, 22), (23, 44), (23, 88), (23, 176), (23, 352)]


def line(name: str, p: int, width: int, draws: int) -> dict[str, float | str]:
    """Return the line of an operation at one size."""
    first, second = (function(np.arange(p)) for function in OPERATIONS[name])
    right = (first[:, None] + second) % p
    shares = [
        np.mean(answers(analytic_weights(first, second, p=p, width=width, seed=k)) == right) for k in range(draws)
    ]
    found = {"accuracy": np.mean(shares), "se": np.std(shares, ddof=1) / np.sqrt(draws), "draws": draws}
    return {"operation": name, "p": p, "width": width} | found


def main(out: str, draws: str = "20") -> None:
    """Write the table."""
    lines = [line(name, *size, int(draws)) for name in OPERATIONS for size in SIZES]
    pd.DataFrame(lines).to_csv(out, index=False, float_format="%.5g")


if __name__ == "__main__":
    main(*sys.argv[1:])
