"""Make the pictures, tables and pages of results/ again from stored rows: python results/rebuild.py [NAME...].

The commands are the lines of the code blocks of README.md and of the pages that it links, in its order. `sweepjax
run` and `merge` make the rows and are left out, and so is a command whose rows are missing. A NAME, a folder of
results/ or `report.html`, keeps what is written to it.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
BLOCK = re.compile(r"^```\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((\w+\.md)\)")
KINDS = ("rebuilt", "skipped", "failed")


class Command(NamedTuple):
    """One line of a code block; its paths are those below results/."""

    words: list[str]

    @property
    def directories(self) -> list[str]:
        """Where rows are read, or written by a run."""
        return [word for word in self.words if word.startswith("results/") and not Path(word).suffix]

    @property
    def written(self) -> list[str]:
        """Pictures, tables and pages."""
        return [word for word in self.words if word.startswith("results/") and Path(word).suffix not in ("", ".py")]

    @property
    def names(self) -> set[str]:
        """What is directly below results/ and is written, or written to."""
        return {Path(path).parts[1] for path in self.written}

    @property
    def made(self) -> str:
        """The directory whose rows it makes; nothing if it makes none."""
        return self.words[self.words.index("-o") + 1] if self.words[1] in ("run", "merge") else ""

    @property
    def is_measured(self) -> bool:
        """Whether it is a program that measures this machine."""
        return self.words[1] == "-m"

    def __str__(self) -> str:
        return shlex.join(self.words)


def pages() -> str:
    """Return README.md, and after it every page that it links."""
    first = (HERE / "README.md").read_text(encoding="utf-8")
    linked = dict.fromkeys(LINK.findall(first))
    return "\n".join([first, *((HERE / name).read_text(encoding="utf-8") for name in linked)])


def commands(page: str) -> list[Command]:
    """List the lines of the code blocks of a page, without their comments."""
    lines = [line for block in BLOCK.findall(page) for line in block.splitlines()]
    return [Command(words) for line in lines if (words := shlex.split(line, comments=True))]


def without_rows(command: Command) -> list[str]:
    """List the directories of a command that hold no rows."""
    return [directory for directory in command.directories if not any(Path(directory).glob("*.parquet"))]


def outcome(command: Command) -> str:
    """Execute a command unless rows are missing, and return what became of it."""
    if absent := without_rows(command):
        print(f"skipped, no rows in {', '.join(absent)}: {command}", flush=True)
        return "skipped"
    print(f"$ {command}", flush=True)
    return "failed" if subprocess.run(command.words, check=False).returncode else "rebuilt"


def show(title: str, lines: list) -> None:
    """Print a heading with a count, and a line for each."""
    print(f"\n{title}: {len(lines)}", *lines, sep="\n  ")


def main(names: set[str]) -> int:
    """Execute the commands; say what was rebuilt, what was skipped and why, and what failed."""
    os.chdir(HERE.parent)
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    every = commands(pages())
    runs = [command for command in every if command.made]
    others = [command for command in every if not command.made and not command.is_measured]
    known = set().union(*(command.names for command in others))
    if names - known:
        sys.exit(f"no command writes to {', '.join(names - known)}; choose of: {', '.join(sorted(known))}")
    became = [(outcome(command), command) for command in others if not names or names & command.names]
    rebuilt, skipped, failed = ([each for what, each in became if what == kind] for kind in KINDS)
    missing = {directory for command in skipped for directory in without_rows(command)}
    show("rebuilt", [path for command in rebuilt for path in command.written])
    show("skipped", skipped)
    show("runs that make the missing rows", [run for run in runs if run.made in missing])
    show("failed", failed)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(set(sys.argv[1:])))
