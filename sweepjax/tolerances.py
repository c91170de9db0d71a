"""How far two values of one row may be apart, as it stands beside a column in every chunk file."""

import json
from collections.abc import Mapping
from typing import NamedTuple

RELATIVE, ABSOLUTE = b"sweepjax.relative", b"sweepjax.absolute"
UNLIKE, CONDITION = b"sweepjax.unlike", b"sweepjax.condition"


class Unlike(NamedTuple):
    """How much further apart a value may be on devices of different kinds, where normals differ in the last bit.

    Args:
        relative: a relative difference, in rows of condition 1; in others it is divided by the condition.
        condition: what it is the product of: columns of the row, each with its power.
    """

    relative: float
    condition: Mapping[str, float]


class Tolerance(NamedTuple):
    """How far two values of one row may be apart that were computed on unlike machines, or side by side with others."""

    relative: float = 1e-5
    absolute: float = 1e-12
    unlike: Unlike | None = None

    @staticmethod
    def of(entries: Mapping[bytes, bytes]) -> "Tolerance":
        """Return the tolerance that the entries of a column say, or the usual one."""
        if not {RELATIVE, ABSOLUTE} <= entries.keys():
            return USUAL
        relative, absolute = (float(entries[key]) for key in (RELATIVE, ABSOLUTE))
        unlike = Unlike(float(entries[UNLIKE]), json.loads(entries[CONDITION])) if UNLIKE in entries else None
        return Tolerance(relative, absolute, unlike)

    @property
    def entries(self) -> dict[bytes, str]:
        """The entries of a column that say so."""
        said = {RELATIVE: repr(self.relative), ABSOLUTE: repr(self.absolute)}
        if not self.unlike:
            return said
        return said | {UNLIKE: repr(self.unlike.relative), CONDITION: json.dumps(dict(self.unlike.condition))}


USUAL, EXACT = Tolerance(), Tolerance(0.0, 0.0)
