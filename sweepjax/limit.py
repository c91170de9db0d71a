"""The limit of anybody's data: are they separable, and by which margin; or where is the minimum."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sweepjax.columns import LABEL
from sweepjax.engine.engine import Engine
from sweepjax.engine.given import FEW, Brought, Given
from sweepjax.solvers.limit import Limit
from sweepjax.types import Chunk, Columns, Task

if TYPE_CHECKING:
    import pandas as pd

HERE, UNITS = Engine(), 1e100


def limit(x: Any, y: Any = None, *, engine: Engine = HERE) -> "pd.Series | pd.DataFrame":
    """Say of data whether a half-space holds all of them, with a proof, and solve what exists.

    Without labels the question is whether some w has x_i·w > 0 for every i. With labels it is whether some w has
    x_i·w > 0 for every sample of the one label and x_i·w < 0 for every other one. Then the data are separable: the
    maximum-likelihood estimate of the logistic regression of y on x does not exist, and its fit would diverge. If they
    are not, it exists and is unique. For a regression with an intercept give x a column of ones.

    Separable data have `margin`, the largest of min |x_i·w| over the unit vectors w that separate them, `margin_gap`,
    the relative distance of the proved bounds on it, and `support_vectors`. All others have `s_norm`, the length of
    S_∞ = argmin Σ exp(z_i·S), which is where gradient descent with a bias ends on data of one label, and what belongs
    to it; z_i is x_i, or -x_i where the label is the larger one. What does not exist is NaN.

    `certified` says that `separable` is proved in float64, rounding included, and that the margin or S_∞ is exact to
    10⁻⁶. It is false where x has columns that depend on each other, where points lie on the border itself, as discrete
    data may (quasi-complete separation: an estimate with infinite components), and often where the units of columns
    differ by more than a thousandfold. `separable` is a guess then.

    The first call for a shape compiles a program that serves a range of d, in some ten seconds; the next process finds
    it on disk.

    Args:
        x: one dataset [n d], or datasets [r n d], of NumPy or JAX. float64 stays float64, whole numbers become float64.
        y: labels of two values, [n] for all datasets or [r n].
        engine: device and lanes.

    Returns:
        The columns of solver `limit`: a row of pandas, or a frame of r rows.

    Raises:
        ValueError: the data are none of these; the message says what is allowed.

    Source:
        Albert, Anderson (1984), Biometrika 71, 1; Konis (2007), DPhil thesis, Oxford.
    """
    if not isinstance(engine, Engine):
        raise ValueError(f"engine = {engine!r} is not allowed; give sweepjax.Engine(device, lanes)")
    values = _datasets(x)
    one = values.ndim == 2
    signed = _signed(values[None] if one else values, y)
    frame = _frame(_solved(signed, engine))
    return frame.iloc[0] if one else frame


def _solved(x: np.ndarray, engine: Engine) -> list[Columns]:
    """Return the columns of datasets [r n d], chunk by chunk."""
    r, n, d = x.shape
    task = Task(Given(n, d, str(x.dtype)), Limit())
    chunks = _chunks(Brought((task,) * r, x=x), max(1, FEW // (n * d)))
    done = {chunk.start: columns for chunk, columns in engine.stream(chunks)}
    return [done[start] for start in sorted(done)]


def _frame(parts: list[Columns]) -> "pd.DataFrame":
    """Return what was measured as pandas has it: NaN where a quantity does not exist."""
    import pandas as pd  # noqa: PLC0415  takes a quarter of a second

    measured = [name for name, column in parts[0].items() if column.kind != LABEL]
    return pd.DataFrame({name: np.concatenate([_filled(part[name].values) for part in parts]) for name in measured})


def _filled(values: np.ndarray) -> np.ndarray:
    return np.ma.filled(values.astype(np.float64), np.nan) if isinstance(values, np.ma.MaskedArray) else values


def _chunks(family: Brought, rows: int) -> Iterator[Chunk]:
    total = len(family.tasks)
    return (Chunk(family, start, min(start + rows, total)) for start in range(0, total, rows))


def _plain(values: Any, name: str) -> np.ndarray:
    """Return an array without a mask; texts among objects, as pandas has them, become texts."""
    if np.ma.is_masked(values):
        raise ValueError(f"{name} is masked in part; leave the masked samples out")
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"{name} has rows of unequal length; give an array") from None
    texts = array.dtype.kind == "O" and all(isinstance(each, str) for each in array.flat)
    return array.astype(str) if texts else array


def _datasets(x: Any) -> np.ndarray:
    """Return data as float32 or float64, [n d] or [r n d]."""
    values = _plain(x, "x")
    if values.dtype.kind not in "fiub" and values.dtype.name != "bfloat16":
        raise ValueError(f"x holds {values.dtype}; give real numbers")
    if values.ndim not in (2, 3) or not values.size:
        raise ValueError(f"x has the shape {list(values.shape)}; give [n d], or [r n d], with at least one of each")
    small = values.dtype.name in ("float16", "bfloat16", "float32")
    values = values.astype(np.float32 if small else np.float64)
    if not np.isfinite(values).all():
        raise ValueError("x holds values that are not finite; leave their samples out")
    largest = float(np.abs(values).max())
    if largest and not 1 / UNITS <= largest <= UNITS:
        raise ValueError(f"x holds values up to {largest:.3g}; give it in units in which they are closer to 1")
    return values


def _signed(x: np.ndarray, y: Any) -> np.ndarray:
    """Return the rows z_i [r n d]: x_i, of the larger label -x_i."""
    if y is None:
        return x
    labels, shape = _plain(y, "y"), x.shape[:2]
    if labels.shape not in (shape, shape[1:]):
        raise ValueError(
            f"y has the shape {list(labels.shape)}; give one label a sample: [{shape[1]}] or {list(shape)}"
        )
    if labels.dtype.kind not in "fiubUS":
        raise ValueError(f"y holds {labels.dtype}; give labels of two values, such as 0 and 1, or texts")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError("y holds values that are not finite; leave their samples out")
    found = np.unique(labels)
    if len(found) > 2:
        raise ValueError(f"y holds {len(found)} values; give labels of two values, such as 0 and 1")
    sign = np.where(labels == found[-1], -1, 1).astype(x.dtype)
    return x * sign[..., None]
