"""Pages to read: one Markdown file a topic, whose first line says what it is about."""

from importlib import resources


def topics() -> dict[str, str]:
    """Return the heading of each topic."""
    files = (file for file in resources.files(__name__).iterdir() if file.name.endswith(".md"))
    names = sorted(file.name.removesuffix(".md") for file in files)
    return {name: page(name).partition("\n")[0].removeprefix("# ") for name in names}


def page(topic: str) -> str:
    """Return the Markdown text of a topic."""
    return resources.files(__name__).joinpath(f"{topic}.md").read_text(encoding="utf-8")
