"""`sweepjax help`: pages on topics."""

import re
from pathlib import Path

import pytest
from sweepjax_cli import app

from sweepjax.topics import page, topics

TOPICS = ["axes", "cluster", "files", "models", "networks", "statistics"]


def test_help_lists_the_topics_with_a_line_on_each(capsys):
    assert app(["help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[: len(TOPICS)]] == TOPICS


@pytest.mark.parametrize("topic", TOPICS)
def test_help_prints_the_page_as_it_is_where_there_is_no_terminal(topic, capsys):
    assert app(["help", topic]) == 0
    assert capsys.readouterr().out == page(topic)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_page_is_set_by_rich_on_a_terminal(topic, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert app(["help", topic]) == 0
    printed = capsys.readouterr().out
    assert not printed.startswith("#")
    assert topics()[topic].split()[0] in printed


def test_help_of_a_command_is_that_of_the_command(capsys):
    assert app(["help", "merge"]) == 0
    assert "sweepjax merge" in capsys.readouterr().out


def test_an_unknown_topic_is_answered_by_the_nearest(capsys):
    assert app(["help", "modles"]) == 2
    assert "did you mean 'models'" in capsys.readouterr().err


@pytest.mark.parametrize("topic", TOPICS)
def test_every_command_of_a_page_is_one(topic):
    commands = {file.stem for file in (Path(__file__).parents[1] / "cli").glob("*.py") if file.name[0] != "_"}
    assert {*re.findall(r"(?:^    |`)sweepjax ([a-z]+)", page(topic), re.MULTILINE)} <= commands


def test_the_model_of_the_page_is_the_one_that_new_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert app(["new", "model", "student"]) == 0
    assert (tmp_path / "student.py").read_text() in page("models")
