"""One TOML file an experiment; the first line of each says what it is."""

from importlib import resources

from sweepjax.plugins import unknown
from sweepjax.sweep.sweep import Sweep


def preset_names() -> list[str]:
    """List the presets."""
    files = resources.files(__name__).iterdir()
    return sorted(file.name.removesuffix(".toml") for file in files if file.name.endswith(".toml"))


def preset_text(name: str) -> str:
    """Return the TOML text of a preset."""
    if name not in preset_names():
        raise ValueError(unknown("preset", name, preset_names()))
    return resources.files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")


def preset(name: str) -> Sweep:
    """Return the sweep of a preset; its `replaced` overrides single options.

    Raises:
        ValueError: there is no preset of that name; the message says which there are.
    """
    return Sweep.from_toml(preset_text(name))


def preset_summary(name: str) -> str:
    """Return the sentence a preset opens with."""
    return preset_text(name).partition("\n")[0].removeprefix("#").strip()
