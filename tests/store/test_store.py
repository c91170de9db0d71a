import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import TESTS
from tampering import rewritten

import sweepjax.store.store
from sweepjax.identity import describe
from sweepjax.store.chunkfile import Damaged, checksum_ok, intact
from sweepjax.store.directory import Conflict
from sweepjax.store.rows import alike, read, scan
from sweepjax.store.store import Store
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk, Family, Task, plugin


@plugin
class Coin:
    sigma: float = 1.0
    n: int = 4


FAMILY = Family((Task(Coin(0.5), Coin()), Task(Coin(2.0), Coin(), seed=7)))


def planned(sigma="1", realizations=5):
    return Sweep().replaced(n=20, lam="0.4,0.5", sigma=sigma, realizations=realizations)


def chunk(start=0, stop=4):
    return Chunk(FAMILY, start, stop)


def columns(rows=4, value=0.0):
    return {
        "model": np.array(["coin"] * rows),
        "realization": np.arange(rows),
        "s_norm": np.full(rows, value),
        "time": np.tile(np.arange(3.0), (rows, 1)),
    }


def started(path, **asked):
    return Store(Path(path), planned(**asked), chunk_rows=4).create()


@pytest.fixture
def store(tmp_path):
    return started(tmp_path / "run")


def everything(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def rows_by_reader(path):
    return {
        "sweepjax": len(read(path)),
        "pandas": len(pd.read_parquet(path)),
        "polars": pl.read_parquet(f"{path}/*.parquet").height,
        "duckdb": len(duckdb.sql(f"from '{path}/*.parquet'").fetchall()),
    }


def test_a_chunk_is_stored_once_it_is_written(store):
    assert chunk() not in store
    store.write(chunk(), columns())
    assert chunk() in store
    assert store.file(chunk()).name == f"{FAMILY.id}-000000000.parquet"


def test_only_the_chunk_and_the_record_remain_after_a_write(store):
    store.write(chunk(), columns())
    assert set(everything(store.path)) == {"_sweep.toml", store.file(chunk()).name}


def test_an_extended_tail_replaces_the_shorter_one(store):
    store.write(chunk(4, 6), columns(2))
    assert chunk(4, 8) not in store
    store.write(chunk(4, 8), columns(4))
    assert chunk(4, 8) in store
    assert chunk(4, 6) in store
    assert len(read(store.path)) == 4


def test_a_longer_tail_is_never_replaced_by_a_shorter_one(store):
    store.write(chunk(4, 8), columns(4))
    before = everything(store.path)
    store.write(chunk(4, 6), columns(2))
    assert everything(store.path) == before


def test_the_same_rows_make_the_same_bytes(tmp_path):
    stores = [started(tmp_path / name) for name in "ab"]
    for one in stores:
        one.write(chunk(), columns())
    assert everything(stores[0].path) == everything(stores[1].path)


def test_columns_that_are_not_one_value_a_row_are_refused(store):
    with pytest.raises(ValueError, match="has 4 rows, but its columns have 3"):
        store.write(chunk(), columns(3))
    assert chunk() not in store


def test_null_and_nan_stay_apart(store):
    values = np.ma.masked_array([1.0, np.nan, 3.0, np.nan], mask=[0, 0, 1, 1])
    store.write(chunk(), {"margin": values})
    stored = store.dataset().to_table()["margin"].to_pylist()
    assert stored[0] == 1.0
    assert np.isnan(stored[1])
    assert stored[2:] == [None, None]
    assert duckdb.sql(f"select margin is null from '{store.path}/*.parquet'").fetchall() == [
        (False,),
        (False,),
        (True,),
        (True,),
    ]


@pytest.mark.parametrize("dtype", ["bool", "int32", "int64", "float32", "float64", "<U3"])
def test_every_kind_of_column_keeps_its_type_even_when_all_of_it_is_null(store, dtype):
    values = np.ones(4).astype(dtype)
    store.write(chunk(0, 4), {"x": values})
    store.write(chunk(4, 8), {"x": np.ma.masked_array(values, mask=True)})
    table = store.dataset().to_table()
    assert table["x"].to_pylist() == [*values.tolist(), None, None, None, None]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.floats(width=32), st.booleans()), min_size=1, max_size=20))
def test_any_floats_come_back_bit_for_bit(tmp_path_factory, cells):
    store = started(tmp_path_factory.mktemp("run"))
    values, mask = np.array([value for value, _ in cells], np.float32), np.array([masked for _, masked in cells])
    store.write(chunk(0, len(cells)), {"x": np.ma.masked_array(values, mask=mask)})
    stored = store.dataset().to_table()["x"].combine_chunks()
    assert stored.is_null().to_numpy(zero_copy_only=False).tolist() == mask.tolist()
    np.testing.assert_array_equal(stored.drop_null().to_numpy(), values[~mask])


def test_trajectories_are_lists_of_fixed_size_and_may_be_null(store):
    paths = np.ma.masked_array(np.arange(12.0).reshape(4, 3), mask=False)
    paths[1], paths[2, 0], paths[3, 1] = np.ma.masked, np.ma.masked, np.nan
    store.write(chunk(), {"b": paths, "weight": np.zeros((4, 2, 3), np.float32)})
    table = store.dataset().to_table()
    assert str(table.schema.field("b").type) == "fixed_size_list<element: double>[3]"
    assert table["b"].to_pylist()[:3] == [[0.0, 1.0, 2.0], None, [None, 7.0, 8.0]]
    assert np.isnan(table["b"].to_pylist()[3][1])
    assert pl.read_parquet(store.file(chunk())).schema["weight"] == pl.Array(pl.Float32, (2, 3))
    assert pd.read_parquet(store.path)["b"][0].tolist() == [0.0, 1.0, 2.0]


def test_columns_keep_their_order_and_texts_stay_plain(store):
    store.write(chunk(), columns())
    frame = pd.read_parquet(store.path)
    assert list(frame) == ["model", "realization", "s_norm", "time"]
    assert frame["model"].tolist() == ["coin"] * 4
    assert pd.api.types.is_string_dtype(frame["model"])


def test_reading_a_directory_is_what_pandas_reads(store):
    store.write(chunk(4, 8), columns(value=1.0))
    store.write(chunk(0, 4), columns(value=2.0))
    pd.testing.assert_frame_equal(read(store.path), pd.read_parquet(store.path))
    pd.testing.assert_frame_equal(read(store.file(chunk())), pd.read_parquet(store.file(chunk())))


def test_all_readers_see_finished_rows_only_while_a_write_is_under_way(store, monkeypatch):
    store.write(chunk(0, 4), columns())
    (store.path / "_events-1.jsonl").write_text("{}\n")
    (store.path / f"_{FAMILY.id}-000000008.parquet.1-ab.tmp").write_bytes(b"PAR1 half a file")
    seen, rename = [], Path.replace

    def look_then_rename(self, target):
        assert self.exists()
        seen.append(rows_by_reader(store.path))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", look_then_rename)
    store.write(chunk(4, 8), columns())
    assert seen == [dict.fromkeys(seen[0], 4)]
    assert rows_by_reader(store.path) == dict.fromkeys(seen[0], 8)


def failing(*_args, **_kwargs):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("owner", "step"), [(Path, "open"), (os, "fsync"), (Path, "replace")])
def test_a_fault_before_the_rename_loses_nothing_and_leaves_nothing(store, monkeypatch, owner, step):
    store.write(chunk(0, 4), columns())
    store.write(chunk(4, 6), columns(2))
    before = everything(store.path)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, failing)
        for rows in (chunk(4, 8), chunk(8, 12)):
            with pytest.raises(OSError, match="No space left"):
                store.write(rows, columns())
    assert everything(store.path) == before
    store.write(chunk(4, 8), columns())
    assert len(read(store.path)) == 8


def test_a_fault_after_the_rename_leaves_the_whole_file(store, monkeypatch):
    monkeypatch.setattr("sweepjax.store.disk._sync_names", failing)
    with pytest.raises(OSError, match="No space left"):
        store.write(chunk(), columns())
    assert checksum_ok(store.file(chunk()))


@pytest.mark.parametrize("before", [0, 1])
def test_a_longer_file_that_another_process_finishes_first_stays(before, store, monkeypatch):
    if before:
        store.write(chunk(0, before), columns(before))
    encode = sweepjax.store.store.encode

    def overtaken(*arguments):
        monkeypatch.undo()
        store.write(chunk(0, 4), columns(4))
        return encode(*arguments)

    monkeypatch.setattr("sweepjax.store.store.encode", overtaken)
    store.write(chunk(0, 3), columns(3))
    assert len(read(store.path)) == 4


def test_of_many_writers_at_once_the_longest_file_stays(store):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda rows: store.write(chunk(0, rows), columns(rows)), [3, 1, 4, 2] * 8))
    assert len(read(store.path)) == 4


IN_A_PROCESS = """
import os, resource, sys
from pathlib import Path
from test_store import chunk, columns, started
store = started(sys.argv[1])
store.write(chunk(0, 4), columns())
die = lambda *_: os._exit(9)
"""


def in_a_process(path, code):
    script = [sys.executable, "-c", IN_A_PROCESS + code, str(path)]
    return subprocess.run(script, env=os.environ | TESTS, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("step", ["os.fsync", "Path.replace"])
def test_a_process_that_dies_in_a_write_leaves_only_a_temporary(tmp_path, step):
    done = in_a_process(tmp_path, f"{step} = die; store.write(chunk(4, 8), columns())")
    assert done.returncode == 9, done.stderr
    store = started(tmp_path)
    assert set(rows_by_reader(tmp_path).values()) == {4}
    assert len(store.summary().leftovers) == 1
    store.write(chunk(4, 8), columns())
    assert set(rows_by_reader(tmp_path).values()) == {8}


@pytest.mark.slow
def test_a_full_disk_is_an_os_error_that_spares_the_finished_rows(tmp_path):
    code = """
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    store.write(chunk(4, 50_004), columns(50_000) | {"noise": __import__("numpy").random.default_rng(0).random(50_000)})
except OSError as error:
    sys.exit(error.errno)
"""
    done = in_a_process(tmp_path, code)
    assert os.strerror(done.returncode) == "File too large", done.stderr
    assert len(everything(tmp_path)) == 2
    assert set(rows_by_reader(tmp_path).values()) == {4}


def test_rows_can_be_read_without_waiting_for_jax():
    code = "import sys, sweepjax.store.rows; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_flipping_any_byte_of_a_file_is_noticed(store):
    store.write(chunk(), {"x": np.arange(4.0)})
    file = store.file(chunk())
    content = file.read_bytes()
    assert checksum_ok(file)
    for place in range(len(content)):
        for bits in (0x01, 0x20, 0xFF):
            assert not intact(content[:place] + bytes([content[place] ^ bits]) + content[place + 1 :]), place
    file.write_bytes(content[:100] + b"x" + content[101:])
    assert not checksum_ok(file)


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b"", lambda b: b[100:], lambda b: b + b]
)
def test_cutting_or_lengthening_a_file_is_noticed(store, change):
    store.write(chunk(), columns())
    store.file(chunk()).write_bytes(change(store.file(chunk()).read_bytes()))
    assert not checksum_ok(store.file(chunk()))


def test_the_checksum_is_the_sha256_of_the_file_with_zeros_in_its_place(store):
    store.write(chunk(), columns())
    mark = pq.read_metadata(store.file(chunk())).metadata[b"sweepjax.checksum"].removeprefix(b"sweepjax-sha256:")
    content = store.file(chunk()).read_bytes()
    assert content.count(mark) == 1
    assert hashlib.sha256(content.replace(mark, b"0" * 64)).hexdigest().encode() == mark


def test_texts_that_look_like_a_checksum_do_no_harm(tmp_path):
    text = "sweepjax-sha256:" + "0" * 64
    store = dataclasses.replace(started(tmp_path), provenance={"device": text, "zone": text})
    store.write(chunk(), {"model": np.array([text] * 4)})
    assert checksum_ok(store.file(chunk()))


def test_a_damaged_page_is_reported_with_its_file(store):
    store.write(chunk(), {"x": np.random.default_rng(0).random(4)})
    file = store.file(chunk())
    content = bytearray(file.read_bytes())
    column = pq.read_metadata(file).row_group(0).column(0)
    content[column.data_page_offset + column.total_compressed_size - 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(Damaged, match=file.name):
        read(store.path)


def test_the_footer_tells_where_the_rows_come_from(store):
    dataclasses.replace(store, provenance={"device": "cpu x 2"}).write(chunk(4, 8), columns())
    footer = pq.read_metadata(store.file(chunk(4, 8))).metadata
    told = {key.decode().removeprefix("sweepjax."): text.decode() for key, text in footer.items()}
    assert told.keys() >= {"format", "version", "jax", "git", "checksum"}
    assert (told["device"], told["start"], told["stop"]) == ("cpu x 2", "4", "8")
    assert told["chunk"] == f"{FAMILY.id}-000000004"


def test_the_footer_says_once_what_the_tasks_of_a_family_share(store):
    store.write(chunk(), columns())
    family = json.loads(pq.read_metadata(store.file(chunk())).metadata[b"sweepjax.family"])
    assert family["model"] == {"name": describe(Coin())["name"], "n": 4, "sigma": {"each": [0.5, 2.0]}}
    assert family["seed"] == {"each": [0, 7]}
    assert family["solver"] == describe(Coin())


def test_the_same_sweep_resumes_with_the_chunk_size_it_began_with(store):
    before = everything(store.path)
    again = Store(store.path, planned(), chunk_rows=1000).create()
    assert again.chunk_rows == 4
    assert everything(store.path) == before


def test_asking_for_more_realizations_is_recorded_and_for_fewer_is_not(store):
    started(store.path, realizations=9)
    assert started(store.path, realizations=3).sweep.realizations == 9
    found = Store.open(store.path)
    assert (found.sweep.realizations, found.chunk_rows) == (9, 4)


def test_the_record_repeats_the_sweep_and_adds_what_the_store_must_remember(store):
    content = tomllib.loads((store.path / "_sweep.toml").read_text())
    assert content.pop("chunk") == 4
    assert content.pop("store") == {"format": 1, "id": planned().id, "points": 2}
    assert content == tomllib.loads(planned().to_toml())


def test_another_sweep_is_refused_with_the_difference(store):
    before = everything(store.path)
    with pytest.raises(Conflict, match="sigma: 2 here, 1 there"):
        started(store.path, sigma="2")
    assert everything(store.path) == before


def test_an_edited_record_is_refused(store):
    record = store.path / "_sweep.toml"
    record.write_text(record.read_text().replace("sigma = 1", "sigma = 2"))
    for sigma in "12":
        with pytest.raises(Conflict, match="does not describe the rows"):
            started(store.path, sigma=sigma)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[store", "chunk = 4\n[store]\nformat = 1\n", "chunk = 4\nstore = 3\n"),
        *("chunk = 0\n[store]\nformat = 1\nid = '0'\n", "chunk = 'x'\n[store]\nformat = 1\nid = '0'\n"),
        "chunk = 4\n[store]\nformat = 1\nid = '0'\ncolumns = 3\n",
    ],
)
def test_a_broken_record_is_reported_as_damage(store, text):
    (store.path / "_sweep.toml").write_text(text)
    with pytest.raises(Damaged, match=r"_sweep\.toml is damaged"):
        started(store.path)


@pytest.mark.parametrize(("name", "refusal"), [("notes.txt", Conflict), ("other.parquet", Damaged)])
def test_a_directory_with_other_files_is_left_alone(tmp_path, name, refusal):
    (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(refusal, match=name):
        started(tmp_path)
    assert everything(tmp_path) == {name: b"mine"}


def test_rows_may_be_made_again_beside_their_tables_and_pictures(tmp_path):
    for name in ("mean.csv", "s_norm.png"):
        (tmp_path / name).write_bytes(b"mine")
    assert started(tmp_path).summary().rows == 0
    assert everything(tmp_path).items() >= {"mean.csv": b"mine", "s_norm.png": b"mine"}.items()


def test_a_directory_of_hidden_files_counts_as_empty(tmp_path):
    (tmp_path / ".DS_Store").touch()
    (tmp_path / "_slurm-1.out").touch()
    assert started(tmp_path).summary().rows == 0


@pytest.mark.parametrize("below", ["", "run"])
def test_a_file_in_place_of_the_directory_is_named(tmp_path, below):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(ValueError, match="taken is a file"):
        started(tmp_path / "taken" / below)


def test_a_directory_that_cannot_be_made_is_an_os_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "mkdir", failing)
    with pytest.raises(OSError, match="No space left"):
        started(tmp_path / "run")


def test_foreign_parquet_beside_the_chunks_is_reported(store):
    store.write(chunk(), columns())
    pd.DataFrame({"x": [1]}).to_parquet(store.path / "mean.parquet")
    for use in (lambda: started(store.path), lambda: read(store.path), store.summary, store.dataset):
        with pytest.raises(Damaged, match=r"mean\.parquet was not written by sweepjax"):
            use()


def foreign(file):
    pd.DataFrame({"x": range(100)}).to_parquet(file)


def renamed(file):
    file.write_bytes(file.with_name(f"{FAMILY.id}-000000004.parquet").read_bytes())


def truncated(file):
    content = file.with_name(f"{FAMILY.id}-000000004.parquet").read_bytes()
    file.write_bytes(content[: len(content) // 2])


def scrambled(file):
    content = file.with_name(f"{FAMILY.id}-000000004.parquet").read_bytes()
    file.write_bytes(content[:-300] + b"\xff" * 292 + content[-8:])


@pytest.mark.parametrize("harm", [Path.touch, foreign, renamed, truncated, scrambled])
def test_a_broken_or_foreign_file_in_the_place_of_a_chunk_is_named(store, harm):
    store.write(chunk(4, 8), columns())
    harm(store.file(chunk()))
    uses = (lambda: chunk() in store, lambda: store.write(chunk(), columns()), store.summary, lambda: read(store.path))
    for use in uses:
        with pytest.raises(Damaged, match=f"{FAMILY.id}-000000000"):
            use()


def test_the_summary_counts_rows_and_leftovers(store):
    store.write(chunk(0, 4), columns())
    store.write(chunk(4, 6), columns(2))
    (store.path / "_x.parquet.1-ab.tmp").touch()
    summary = store.summary()
    assert (summary.rows, summary.planned, summary.files) == (6, 10, 2)
    assert summary.bytes == sum(store.file(one).stat().st_size for one in (chunk(), chunk(4, 6)))
    assert [file.name for file in summary.leftovers] == ["_x.parquet.1-ab.tmp"]


def test_several_directories_are_scanned_as_one_table_and_none_twice(tmp_path, monkeypatch):
    stores = [started(tmp_path / name) for name in "ab"]
    for one in stores:
        one.write(chunk(), columns())
    monkeypatch.chdir(tmp_path)
    assert scan([*(one.path for one in stores), "a", "./b/"]).count_rows() == 8


def test_directories_of_different_columns_are_not_mixed(tmp_path):
    stores = [started(tmp_path / name) for name in "ab"]
    stores[0].write(chunk(), columns())
    stores[1].write(chunk(), {"margin": np.zeros(4)})
    with pytest.raises(ValueError, match="different columns"):
        scan([one.path for one in stores])


def without(name):
    """Return the change of a table that takes a column away."""
    return lambda table: table.drop_columns([name])


def test_rows_of_an_earlier_version_are_null_where_it_measured_nothing(tmp_path):
    old, new = (started(tmp_path / name) for name in ("old", "new"))
    for one in (old, new):
        one.write(chunk(), columns(value=2.0))
    rewritten(old.file(chunk()), without("s_norm"))
    together = scan([old.path, new.path]).to_table()
    assert together["s_norm"].to_pylist() == [None] * 4 + [2.0] * 4
    assert scan([new.path, old.path]).to_table()["s_norm"].null_count == 4
    assert alike([old.path, new.path]) == [[old.path, new.path]]


def test_numbers_of_single_precision_are_read_beside_those_of_double(tmp_path):
    one, other = (started(tmp_path / name) for name in "ab")
    one.write(chunk(), columns(value=0.5))
    other.write(chunk(), columns(value=0.25) | {"s_norm": np.full(4, 0.25, np.float32)})
    for paths in ([one.path, other.path], [other.path, one.path]):
        assert sorted(scan(paths).to_table()["s_norm"].to_pylist()) == [0.25] * 4 + [0.5] * 4


def test_reading_where_nothing_is_says_so(tmp_path, store):
    with pytest.raises(ValueError, match="there is no"):
        read(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="no finished rows"):
        read(store.path)
    with pytest.raises(ValueError, match="holds no sweep"):
        Store.open(tmp_path / "nowhere")


def test_a_text_file_is_not_taken_for_rows(tmp_path):
    (tmp_path / "rows.parquet").write_text("lam,s_norm\n")
    with pytest.raises(Damaged, match=r"rows\.parquet"):
        read(tmp_path / "rows.parquet")
