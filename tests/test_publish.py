"""Runs as a folder that others take as it is."""

import json
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from stored_runs import CHUNK_ROWS, LIMIT, MACHINE, curves_run, limit_run
from sweepjax_cli import app
from tampering import everything

from sweepjax.columns import labels
from sweepjax.store.store import Store
from sweepjax.sweep.adaptive import Adaptive, Rule

pytest.importorskip("rocrate", reason="not installed with this checkout")

RUNS = ("limit", "curves")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("publish")
    limit_run(home / "limit")
    curves_run(home / "curves")
    told = ["--title", 'Draws "at the edge"', "--author", "Ada L.", "--license", "CC-BY-4.0"]
    assert app(["publish", *(str(home / name) for name in RUNS), "-o", str(home / "folder"), *told]) == 0
    return home / "folder"


@pytest.fixture
def copy(tmp_path):
    limit_run(tmp_path / "run")
    assert app(["publish", str(tmp_path / "run"), "-o", str(tmp_path / "folder")]) == 0
    return tmp_path / "folder"


def test_rows_are_there_byte_for_byte(folder):
    for name in RUNS:
        assert everything(folder / "data" / name) == everything(folder.parent / name)


def test_an_adaptive_run_is_published_with_its_counts(tmp_path):
    sweep = Adaptive.of(LIMIT.replaced(lam="0.4", realizations=4), Rule("margin", 0.1))
    (family,) = sweep.families()
    store = Store(tmp_path / "run", replace(sweep, counts={family.id: 6}), CHUNK_ROWS, MACHINE).create()
    for chunk in store.sweep.chunks(CHUNK_ROWS):
        store.write(chunk, labels(chunk) | {"margin": np.ones(chunk.rows)})
    assert app(["publish", str(tmp_path / "run"), "-o", str(tmp_path / "folder")]) == 0
    assert Store.open(tmp_path / "folder" / "data" / "run").sweep.rows_total == 6


def test_pandas_reads_them(folder):
    assert len(pd.read_parquet(folder / "data" / "limit")) == LIMIT.rows_total


def test_checksums_are_those_of_the_usual_tool(folder):
    assert subprocess.run(["sha256sum", "-c", "--quiet", "checksums.sha256"], cwd=folder, check=False).returncode == 0


def test_a_stranger_verifies_the_folder(folder, capsys):
    assert app(["verify", str(folder)]) == 0
    assert capsys.readouterr().out.count("faulty files: 0") == len(RUNS)


def test_a_file_that_was_changed_is_named(copy, capsys):
    (copy / "README.md").write_text("better than ever")
    (copy / "new.txt").write_text("mine")
    assert app(["verify", str(copy)]) == 5
    out = capsys.readouterr().out
    assert "not as it was published" in out
    assert "none of the published files" in out


def test_a_missing_file_is_named(copy, capsys):
    next((copy / "data" / "run").glob("*.parquet")).unlink()
    assert app(["verify", str(copy)]) == 5
    assert "is missing" in capsys.readouterr().out


def test_a_published_folder_is_not_repaired(copy, capsys):
    assert app(["verify", str(copy), "--repair"]) == 2
    assert "publish the run again" in capsys.readouterr().err


def test_the_card_says_what_each_column_is_and_how_it_is_computed_again(folder):
    card = (folder / "README.md").read_text()
    assert "| `s_norm` | double | fact |" in card
    assert "sweepjax run data/limit/_sweep.toml" in card
    assert card.startswith("---\npretty_name: ")


def test_the_crate_knows_every_file_and_the_command(folder):
    from rocrate.rocrate import ROCrate  # noqa: PLC0415

    crate = ROCrate(folder)
    known = {entity.id for entity in crate.data_entities}
    assert {f"data/limit/{file.name}" for file in (folder / "data" / "limit").iterdir()} <= known
    actions = [entity for entity in crate.contextual_entities if entity.type == "CreateAction"]
    assert sorted("_sweep.toml" in action["description"] for action in actions) == [True, True]


def test_croissant_knows_every_column_of_the_files(folder):
    told = json.loads((folder / "croissant.json").read_text())
    (limit,) = (records for records in told["recordSet"] if records["name"] == "limit")
    stored = pd.read_parquet(folder / "data" / "limit")
    assert [field["name"] for field in limit["field"]] == list(stored)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_croissant_is_valid_by_the_library_of_the_standard(folder):
    mlcroissant = pytest.importorskip("mlcroissant")
    found = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not found.metadata.issues.errors
    assert not found.metadata.issues.warnings


@pytest.mark.slow
def test_the_citation_keeps_to_its_schema(folder):
    yaml = pytest.importorskip("yaml")
    told = yaml.safe_load((folder / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= told.keys()
    assert told["title"] == 'Draws "at the edge"'


def test_what_the_people_alone_know_is_asked_for(tmp_path, capsys):
    limit_run(tmp_path / "run", stored=2)
    assert app(["publish", str(tmp_path / "run"), "-o", str(tmp_path / "folder")]) == 0
    said = capsys.readouterr().err
    assert "give --author" in said
    assert "give --license" in said
    assert "incomplete" in said


def test_a_license_is_one_of_spdx_however_it_is_spelled(tmp_path, capsys):
    run, out = limit_run(tmp_path / "run", stored=1), tmp_path / "folder"
    assert app(["publish", str(run), "-o", str(out), "--license", "foo"]) == 2
    assert "--license foo is not known; give an identifier of https://spdx.org/licenses" in capsys.readouterr().err
    assert not out.exists()
    assert app(["publish", str(run), "-o", str(out), "--license", "cc-by-4.0"]) == 0
    assert "CC-BY-4.0" in (out / "CITATION.cff").read_text()


@pytest.mark.parametrize("case", ["there", "same name", "no rows", "no sweep"])
def test_what_cannot_be_published_is_refused_and_nothing_is_written(case, tmp_path):
    run, out = limit_run(tmp_path / "run", stored=0 if case == "no rows" else 1), tmp_path / "folder"
    runs = [run]
    if case == "there":
        out.mkdir()
        (out / "mine").touch()
    if case == "same name":
        runs.append(limit_run(tmp_path / "other" / "run", stored=1))
    if case == "no sweep":
        runs = [tmp_path]
    before = sorted(out.rglob("*"))
    assert app(["publish", *map(str, runs), "-o", str(out)]) == 2
    assert sorted(out.rglob("*")) == before
    assert not [*tmp_path.glob("_*")]


def test_a_run_that_is_damaged_is_not_published(tmp_path):
    run = limit_run(tmp_path / "run")
    file = next(run.glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-9])
    assert app(["publish", str(run), "-o", str(tmp_path / "folder")]) == 5


@pytest.mark.parametrize("harm", [b"garbage\n", b" \n", b"\xde\xad"])
def test_checksums_that_are_none_are_damage(copy, capsys, harm):
    sums = copy / "checksums.sha256"
    sums.write_bytes(sums.read_bytes() + harm)
    assert app(["verify", str(copy)]) == 5
    assert f"{sums} is damaged" in capsys.readouterr().err
    sums.unlink()
    assert app(["verify", str(copy)]) == 5


@pytest.mark.parametrize("name", ["data/run/_sweep.toml", "a file of rows"])
def test_what_is_missing_is_named_whatever_it_is(copy, capsys, name):
    file = next(copy.rglob("*.parquet")) if name == "a file of rows" else copy / name
    file.unlink()
    if file.suffix == ".parquet":
        file.mkdir()
    assert app(["verify", str(copy)]) == 5
    assert f"{file.relative_to(copy)}  is missing" in " ".join(capsys.readouterr().out.split(" "))


def test_a_run_whose_name_begins_with_a_dot_has_its_checksums_too(tmp_path, capsys):
    limit_run(tmp_path / ".run")
    assert app(["publish", str(tmp_path / ".run"), "-o", str(tmp_path / "folder")]) == 0
    next((tmp_path / "folder").rglob("*.parquet")).unlink()
    assert app(["verify", str(tmp_path / "folder")]) == 5
    assert "is missing" in capsys.readouterr().out


def test_the_folder_may_be_the_current_one(tmp_path, monkeypatch):
    limit_run(tmp_path / "run")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    assert app(["publish", str(tmp_path / "run"), "-o", "."]) == 0
    assert (tmp_path / "folder" / "README.md").is_file()


def test_checksums_of_your_own_make_no_published_folder_of_a_run(tmp_path):
    run = limit_run(tmp_path / "run")
    (run / "checksums.sha256").write_text(f"{64 * '0'}  some file\n")
    assert app(["verify", str(run)]) == 0


def test_checksums_of_nothing_are_no_published_folder(tmp_path, capsys):
    (tmp_path / "checksums.sha256").touch()
    assert app(["verify", str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
