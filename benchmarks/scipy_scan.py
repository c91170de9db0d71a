"""A scan as one would write it with SciPy, a process of its own: `python -m benchmarks.scipy_scan DIR OUT.npy`."""

import sys
from pathlib import Path

import numpy as np
from scipy.optimize import OptimizeResult, minimize, nnls

TOLERANCE = 1e-8


def main(folder: str, out: str) -> None:
    """Solve the datasets of a folder in the order of their names, and keep ‖S_∞‖ or minus the margin of each."""
    np.save(out, [solve(np.load(file).astype(np.float64)) for file in sorted(Path(folder).glob("*.npy"))])


def solve(x: np.ndarray) -> float:
    """Return ‖S_∞‖ by L-BFGS-B; where its direction separates, minus the margin, by the hull's nearest point."""
    options = {"maxiter": 20_000, "maxfun": 40_000, "gtol": TOLERANCE, "ftol": 0.0}

    def separated(intermediate_result: OptimizeResult) -> None:
        """End the descent, which would go on for ever, where its direction separates."""
        if np.max(x @ intermediate_result.x) < 0:
            raise StopIteration

    start = np.zeros(x.shape[1])
    found = minimize(_objective, start, args=(x,), jac=True, method="L-BFGS-B", options=options, callback=separated)
    s = found.x
    if np.max(x @ s) >= 0:
        return float(np.linalg.norm(s))
    # min ‖xᵀa‖ over weights of sum 1, as a problem of nonnegative least squares.
    a, _ = nnls(np.vstack([x.T, np.ones(len(x))]), np.append(np.zeros(x.shape[1]), 1.0), maxiter=100 * len(x))
    return -float(np.linalg.norm(a @ x) / np.sum(a))


def _objective(s: np.ndarray, x: np.ndarray) -> tuple[float, np.ndarray]:
    z = x @ s
    top = np.max(z)
    weights = np.exp(z - top)
    total = np.sum(weights)
    return top + np.log(total), weights @ x / total


if __name__ == "__main__":
    main(*sys.argv[1:])
