"""The table and where it was measured."""

import csv
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from threadpoolctl import threadpool_info

LIBRARIES = (
    "sweepjax",
    "jax",
    "jaxlib",
    "numpy",
    "scipy",
    "optax",
    "diffrax",
    "torch",
    "scikit-learn",
    "clarabel",
    "highspy",
)
HEADER = (
    "job",
    "ours",
    "peer",
    "peer's",
    "ratio (min to max)",
    "at least",
    "share of the limit",
    "our error",
    "peer's error",
    "uncertified",
    "draws × pairs",
    "note",
)


class Row(NamedTuple):
    """One line: times are medians a draw, ratios peer/ours, errors the largest over the draws."""

    job: str
    ours: float
    peer: str
    theirs: float
    ratio_min: float
    ratio: float
    ratio_max: float
    at_least: float | None = None
    share: float | None = None  # of our time that is unavoidable
    unit: str = "ms"
    error: float | None = None
    their_error: float | None = None
    uncertified: int | None = None
    draws: int = 0
    repetitions: int = 0
    note: str = ""

    def cells(self) -> list[str]:
        """The line as it is read."""
        ratio = f"{self.ratio:.3g} ({self.ratio_min:.3g} to {self.ratio_max:.3g})"
        times = f"{self.ours:.3g} {self.unit}", self.peer, f"{self.theirs:.3g} {self.unit}"
        share = "–" if self.share is None else f"{self.share:.0%}"
        rest = _text(self.at_least), share, _text(self.error), _text(self.their_error), _text(self.uncertified)
        return [self.job, *times, ratio, *rest, f"{self.draws} × {self.repetitions}", self.note or "–"]


def markdown(rows: Iterable[Row]) -> str:
    """The table in Markdown."""
    lines = [HEADER, ["---"] * len(HEADER), *(row.cells() for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write(rows: list[Row], folder: Path, provenance: dict[str, str]) -> None:
    """Write table.csv, whose first lines begin with "#", and table.md."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "table.csv").open("w", newline="") as file:
        file.writelines(f"# {name}: {value}\n" for name, value in provenance.items())
        writer = csv.writer(file)
        writer.writerow(Row._fields)
        writer.writerows(rows)
    facts = "".join(f"* {name}: {value}\n" for name, value in provenance.items())
    legend = "Milliseconds a draw are medians; ratios are peer/ours, pair by pair; errors are the largest, relative."
    (folder / "table.md").write_text(f"# Benchmarks\n\n{markdown(rows)}\n{legend}\n\n{facts}")


def provenance(devices: int) -> dict[str, str]:
    """Say when, on what and with what versions and threads."""
    pools = {f"{pool['internal_api']} {pool['version'] or ''}".strip() for pool in threadpool_info()}
    threads = f"{devices} for each peer; ours {devices} devices of one thread each"
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": f"{cpu()}, {len(os.sched_getaffinity(0))} cores",
        "load": f"{os.getloadavg()[2]:.2f} over the last 15 minutes",
        "python": platform.python_version(),
        "versions": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES),
        "git": git(),
        "threads": f"{threads}; thread pools: {', '.join(sorted(pools))}",
        "environment": ", ".join(f"{name}={os.environ[name]}" for name in _settings()) or "no thread settings",
    }


def _settings() -> list[str]:
    prefixes = "OPENBLAS_", "OMP_", "MKL_", "XLA_", "JAX_"
    return sorted(name for name in os.environ if name.startswith(prefixes) and "/" not in os.environ[name])


def cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def git() -> str:
    command = ["git", "--no-optional-locks", "describe", "--always", "--dirty", "--abbrev=12"]
    found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"
