"""A sweep whose plug-ins cannot be imported here: its record is enough to read, count and join rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweepjax.sweep.fields import as_typed
from sweepjax.sweep.spelling import arguments, to_toml
from sweepjax.sweep.sweep import Sweep

PLUG_INS = ("model", "solver", "observe")


@dataclass(frozen=True)
class Recorded(Sweep):
    """A sweep as it was written down; it is not checked, and what needs its plug-ins raises why they are not here."""

    kept: str = ""  # its identity
    count: int = 0  # its points, 0 if an earlier version wrote it, which did not say
    reason: str = ""

    def __post_init__(self) -> None:
        pass

    @property
    def id(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The identity under which the rows are kept."""
        return self.kept

    @property
    def points(self) -> int:
        """The number of tasks."""
        return self.count

    @property
    def times(self) -> tuple[float, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Nothing: which times a record stands for depends on the solver."""
        return ()

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Nothing: whether n and d are shapes depends on the model."""
        return ()

    def to_toml(self) -> str:
        """Return the TOML text of the record."""
        return to_toml({name: getattr(self, name) for name in Sweep.__dataclass_fields__})

    def notes(self) -> list[str]:
        """Return the axes as they were typed."""
        groups = [f"zip {','.join(map(as_typed, group))}" for group in self.zip]
        return [*(f"{as_typed(name)} {text}" for name, text in self.axes), *groups]

    def _choices(self) -> dict[str, tuple[Any, str]]:
        plain = {"model": self.model, "solver": self.solver, "until": self.until, "record": self.record}
        plain |= {"stop": self.stop or None}
        texts = {name: str(value) for name, value in plain.items() if value is not None} | dict(self.axes)
        texts |= {"zip": "; ".join(",".join(map(as_typed, group)) for group in self.zip)} if self.zip else {}
        return {name: (text, text) for name, text in texts.items()}


def recorded(table: Mapping[str, Any], error: ValueError, *, kept: str, count: int) -> Recorded:
    """Return the sweep that a record describes, where its plug-ins are from outside and cannot be used.

    Raises:
        ValueError: they are our own, so that the record itself is wrong.
    """
    if not any(":" in str(table.get(name, "")) for name in PLUG_INS):
        raise error
    return Recorded(**arguments(table), kept=kept, count=count, reason=str(error))
