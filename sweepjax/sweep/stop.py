"""When a training ends before its time: `test_accuracy>=0.99 and train_loss<1e-3 last 3`."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from jaxtyping import Array, Bool, Float

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
CONDITION = re.compile(rf"\s*([^\W\d]\w*)\s*(>=|<=|>|<)\s*({NUMBER})\s*")
LAST = re.compile(r"(.*?)(?:\s+last\s+(\S+)\s*)?", re.DOTALL)
FORM = "write COLUMN>=NUMBER, with >=, <=, > or <, joined by and, and perhaps last K"


class Condition(NamedTuple):
    """A column beyond a number."""

    column: str
    sign: str
    number: float

    def holds(self, value: Float[Array, ""]) -> Bool[Array, ""]:
        """Whether a value is beyond the number; nan is not."""
        beyond = value > self.number if self.sign[0] == ">" else value < self.number
        return beyond | (value == self.number) if self.sign.endswith("=") else beyond


@dataclass(frozen=True)
class Stop:
    """All `conditions` at the `last` so many recorded times in a row."""

    conditions: tuple[Condition, ...]
    last: int = 1

    @classmethod
    def parse(cls, text: str) -> "Stop":
        """Return what a text says.

        Raises:
            ValueError: it is not understood; the message says how it is written.
        """
        match = LAST.fullmatch(text)
        wanted, count = match.groups() if match else (text, None)
        if count is not None and not re.fullmatch(r"[1-9]\d*", count):
            raise ValueError(f"--stop {text!r}: last {count} is not allowed; give a whole number from 1")
        return cls(tuple(_condition(part, text) for part in re.split(r"\s+and\s+", wanted)), int(count or 1))

    @property
    def columns(self) -> list[str]:
        """The columns that it looks at."""
        return [*dict.fromkeys(each.column for each in self.conditions)]

    def holds(self, columns: Mapping[str, Any]) -> Bool[Array, ""]:
        """Whether every condition holds for values of one recorded time."""
        first, *rest = (each.holds(columns[each.column]) for each in self.conditions)
        for other in rest:
            first &= other
        return first

    def __str__(self) -> str:
        texts = (f"{each.column}{each.sign}{each.number!r}" for each in sorted(set(self.conditions)))
        return " and ".join(texts) + (f" last {self.last}" if self.last > 1 else "")


def _condition(part: str, text: str) -> Condition:
    match = CONDITION.fullmatch(part)
    if not match:
        raise ValueError(f"--stop {text!r}: {part.strip()!r} is not understood; {FORM}")
    column, sign, number = match.groups()
    if not math.isfinite(float(number)):
        raise ValueError(f"--stop {text!r}: {number} is no finite number")
    return Condition(column, sign, float(number))
