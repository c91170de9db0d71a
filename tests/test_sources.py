import importlib
import sys

import pytest

from sweepjax.models.logistic import Logistic
from sweepjax.sources import source_hash, sources

OWN = """
# What it is.
import numpy
from helper import factor

class Own:
    rate = factor()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def digest(place, monkeypatch, name="own", cls="Own", **files):
    """The digest of a class, of files as they are now."""
    for file, text in files.items():
        path = place / f"{file}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        monkeypatch.delitem(sys.modules, file.replace("/", "."), raising=False)
    importlib.invalidate_caches()
    sys.dont_write_bytecode = True
    monkeypatch.delitem(sys.modules, name, raising=False)
    return source_hash(getattr(importlib.import_module(name), cls))


def test_a_plug_in_of_ours_has_the_version_and_no_digest():
    assert sources([Logistic(), Logistic]) == {}


def test_a_plug_in_from_outside_has_a_digest_under_its_name(place, monkeypatch):
    digest(place, monkeypatch, own=OWN, helper="def factor(): return 1")
    own = sys.modules["own"].Own
    assert sources([own(), own, Logistic()]) == {"own:Own": source_hash(own)}


def test_the_digest_changes_with_the_code_and_with_what_it_imports_and_with_nothing_else(place, monkeypatch):
    first = digest(place, monkeypatch, own=OWN, helper="def factor(): return 1", other="x = 1")
    assert digest(place, monkeypatch, other="x = 2") == first
    assert digest(place, monkeypatch, own=OWN.replace("# What it is.", "\n# What it was.\n")) == first
    assert digest(place, monkeypatch, own=OWN.replace("rate", "step")) != first
    assert digest(place, monkeypatch, own=OWN) == first
    assert digest(place, monkeypatch, helper="def factor(): return 2") != first


def test_relative_imports_of_a_package_count(place, monkeypatch):
    def made(value):
        own = "from .parts import PART\nclass Own: part = PART"
        files = {"pack/__init__": "", "pack/own": own, "pack/parts": f"PART = {value}"}
        return digest(place, monkeypatch, "pack.own", **files)

    first = made(1)
    assert made(1) == first
    assert made(2) != first


def test_what_was_typed_has_no_source():
    scope = {"__name__": "typed"}
    exec("class Own: pass", scope)
    assert sources([scope["Own"]]) == {}
