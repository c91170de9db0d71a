"""How full the lanes of an engine are."""

import math

from sweepjax.engine.engine import Watch


class Lanes:
    """How full the lanes were since this was last told: steps that they took, and those in which a row went on."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.counts = watch, {"taken": 0, "served": 0}

    def __call__(self, what: str, rows: int) -> None:
        """Count what the engine says of its lanes, and pass everything on."""
        if what in self.counts:
            self.counts[what] += rows
        self.watch(what, rows)

    @property
    def efficiency(self) -> float:
        """The share of the steps in which a row went on, since this was last told; nan before any."""
        return self.counts["served"] / self.counts["taken"] if self.counts["taken"] else math.nan

    def told(self) -> dict[str, str]:
        """Return the entries of a footer."""
        counts, self.counts = self.counts, dict.fromkeys(self.counts, 0)
        return {f"lane_steps_{what}": str(count) for what, count in counts.items()}
