"""A directory of one's own, the script that a command prints there, and stand-ins for what it calls."""

import os
import sysconfig

import pytest
from sweepjax_cli import app


@pytest.fixture
def printed(here, capsys):
    def printed(*arguments):
        assert app(["slurm", *arguments]) == 0
        return capsys.readouterr().out

    return printed


@pytest.fixture
def tools(here, monkeypatch):
    """Stand-ins for the programs that a script calls; each writes down what it was called with."""
    directory = here / "tools"
    directory.mkdir()
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(directory))
    monkeypatch.setenv("PATH", str(directory), prepend=os.pathsep)

    def tool(name, then):
        file = directory / name
        file.write_text(f'#!/bin/bash\nprintf "%s\\0" "$@" > {directory}/{name}.called\n{then}\n')
        file.chmod(0o755)

    for name, then in {"sweepjax": "exit 0", "squeue": "echo RUNNING", "scontrol": "exit 0"}.items():
        tool(name, then)
    return tool
