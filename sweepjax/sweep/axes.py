"""Text to values: the axes of a sweep.

    0.4:0.6              21 points, both ends included; for integers step 1
    0.4:0.6:0.05         a step; the end belongs to it when it falls on the grid
    1e-3:1@30            a count
    log:1e-3:1@30        a count, evenly spaced in the logarithm
    0.4:0.48:0.02,0.49   commas join; texts know commas only

Typed decimals are exact fractions until the last moment, so 0.4:0.6 holds the very float 0.55.
"""

import math
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from itertools import chain, islice
from typing import Any

LONGEST = 100_000
LARGEST_WHOLE = 2**53  # beyond it, floats skip integers


def parse_axis(text: str, *, kind: type = float) -> tuple[Any, ...]:
    """Return the values an axis stands for, ascending and each once.

    Args:
        text: as typed, such as 0.4:0.48:0.02,0.49.
        kind: float, int, str or bool. The inner points of a counted integer axis are rounded.

    Raises:
        ValueError: the text is no axis of this kind.

    """
    return tuple(sorted(set(expand(text, kind))))


def expand(text: str, kind: type = float) -> list[Any]:
    """Return the values in the order typed, equal ones kept."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError(f"the axis {text!r} is empty somewhere; give values or ranges joined by single commas")
    values: Iterator = (
        map(READ[kind], parts) if kind in READ else chain.from_iterable(_span(part, kind) for part in parts)
    )
    longest = list(islice(values, LONGEST + 1))
    if len(longest) > LONGEST:
        raise ValueError(f"{shown(text)} has more than {LONGEST} points; give at most so many")
    return longest


def _truth(word: str) -> bool:
    if word.lower() not in ("true", "false"):
        raise ValueError(f"{shown(word)} is not a truth value; give true, false or true,false")
    return word.lower() == "true"


READ: dict[type, Callable[[str], Any]] = {str: str, bool: _truth}


def nearest(value: float | Fraction) -> int:
    """Return the nearest integer, halves rounded up, without the error of a sum of floats."""
    return math.floor(Fraction(value) + Fraction(1, 2))


def exact(value: float) -> Fraction:
    """Return the decimal number a float is printed as."""
    return Fraction(Decimal(repr(value)))


def logarithmic(start: float, stop: float, count: int) -> Iterator[float]:
    """Yield `count` points from start to stop, in either direction; powers of ten come out exact."""
    low, high = sorted((start, stop))
    first, last = math.log10(start), math.log10(stop)
    for i in range(count):
        inner = 10.0 ** (first + (last - first) * i / max(count - 1, 1))
        yield start if i == 0 else stop if i == count - 1 else min(max(inner, low), high)


def count_of(word: str, axis: str) -> int:
    """Return a count typed as part of an axis."""
    count = _number(word, axis, int)
    if count < 1:
        raise ValueError(f"the count {word} in the axis {shown(axis)} is not allowed; give a whole number from 1")
    return int(count)


def shown(text: str) -> str:
    """Return a text quoted for a message, its middle left out where nobody would read it."""
    return repr(text if len(text) <= 60 else f"{text[:40]} ... {text[-15:]}")


def _span(part: str, kind: type) -> Iterator[float]:
    body, counted, count = part.removeprefix("log:").partition("@")
    bounds = [_number(word, part, kind) for word in body.split(":")]
    points = _points(part, bounds, count_of(count, part) if counted else None, kind)
    return (nearest(point) if kind is int else float(point) for point in points)


def _points(part: str, bounds: list[Fraction], count: int | None, kind: type) -> Iterator[Fraction | float]:
    if len(bounds) > 1 and bounds[1] < bounds[0]:
        raise ValueError(f"the range {part!r} runs backwards; give the smaller end first")
    match part.startswith("log:"), bounds, count:
        case False, [value], None:
            return iter([value])
        case False, [start, stop], None:
            return _stepped(start, stop, Fraction(1)) if kind is int else _counted(start, stop, 21)
        case False, [start, stop, step], None if step > 0:
            return _stepped(start, stop, step)
        case False, [start, stop], int():
            return _counted(start, stop, count)
        case True, [start, stop], int() if start > 0:
            return logarithmic(float(start), float(stop), count)
    raise ValueError(f"cannot read the range {part!r}; {_why_not(part, bounds)}")


def _why_not(part: str, bounds: list[Fraction]) -> str:
    if part.startswith("log:"):
        return "write log:START:STOP@COUNT with START above 0"
    if len(bounds) == 3 and "@" not in part:
        return "give a step above 0"
    return "write START:STOP, START:STOP:STEP, START:STOP@COUNT or log:START:STOP@COUNT"


def _stepped(start: Fraction, stop: Fraction, step: Fraction) -> Iterator[Fraction]:
    return (start + i * step for i in range((stop - start) // step + 1))


def _counted(start: Fraction, stop: Fraction, count: int) -> Iterator[Fraction]:
    return (start + (stop - start) * i / max(count - 1, 1) for i in range(count))


def _number(word: str, axis: str, kind: type = float) -> Fraction:
    try:
        number = Decimal(word.strip())
    except InvalidOperation:
        raise ValueError(
            f"{word!r} in the axis {shown(axis)} is not a number; write one such as 0.45 or 1e-3"
        ) from None
    # Checked before Fraction, which would write out every digit of 1e-999999999.
    if not number.is_finite() or math.isinf(float(number)) or (number and not float(number)):
        raise ValueError(f"{word!r} in the axis {shown(axis)} is not allowed; give finite numbers a float can hold")
    if kind is int and (number % 1 if abs(number) <= LARGEST_WHOLE else True):
        raise ValueError(f"{word!r} in the axis {shown(axis)} is not allowed; give whole numbers below 2^53")
    return Fraction(number)
