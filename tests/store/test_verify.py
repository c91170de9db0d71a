import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sweepjax_cli import app
from tampering import chunks, copied, edited, everything, flipped, rewritten, spread_over

from sweepjax.columns import CURVE, EFFORT, FACT, LABEL, describing
from sweepjax.recheck import chosen, recheck
from sweepjax.recheck import limit as scipys
from sweepjax.store.copies import Unsound, read_copy
from sweepjax.store.same_rows import differences
from sweepjax.store.store import Store
from sweepjax.store.verify import planned_files, verify
from sweepjax.tolerances import Tolerance, Unlike

PROBE = ["run", "--n", "20", "--lambda", "0.4,0.5", "--solver", "probe:Bits", "--realizations", "20", "--chunk", "8"]
LIMIT = ["run", "--n", "20", "--lambda", "0.5", "--realizations", "16", "--chunk", "8"]


def made(factory, command):
    path = factory.mktemp("whole") / "run"
    assert app([*command, "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """Six files of 8, 8 and 4 rows."""
    return made(tmp_path_factory, PROBE)


@pytest.fixture(scope="module")
def limit(tmp_path_factory):
    return made(tmp_path_factory, LIMIT)


@pytest.fixture
def run(probe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return copied(probe, tmp_path / "run")


@pytest.fixture
def solved(limit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return copied(limit, tmp_path / "run")


def opened(path):
    return Store.open(path)


def verified(capsys, *options):
    """The exit code of the command on the directory `run`, and its lines."""
    capsys.readouterr()
    code = app(["verify", "run", *options])
    return code, capsys.readouterr().out.splitlines()


def blamed(capsys, file, words, *, stays=False):
    """Whether the command names one faulty file, and says these words and what becomes of it."""
    before = everything(file.parent)
    code, lines = verified(capsys)
    assert code == 5
    named = [line for line in lines if line.startswith(file.name) and re.search(words, line)]
    assert len(named) == 1, lines
    assert named[0].endswith("move it out of the directory" if stays else "--repair removes it")
    assert lines[-1].endswith("faulty files: 1")
    assert everything(file.parent) == before
    return True


def repaired(capsys, whole):
    """Whether repair and then the run it asks for make the directory what it was, byte for byte."""
    code, lines = verified(capsys, "--repair")
    assert code == 0, lines
    (command,) = re.findall(r"`sweepjax (run .*)`", "\n".join(lines))
    assert app(command.split()) == 0
    assert everything(Path("run")) == everything(whole)
    return True


def test_a_whole_directory_is_sound(run, capsys):
    before = everything(run)
    assert verified(capsys) == (0, ["40 rows in 6 files are sound; faulty files: 0"])
    assert everything(run) == before


def test_a_flipped_bit_anywhere_is_damage(run):
    file = chunks(run)[0]
    content = file.read_bytes()
    ((family, _),) = planned_files(opened(run).sweep, [file])
    for place in spread_over(content, 60):
        file.write_bytes(flipped(content, place))
        with pytest.raises(Unsound):
            read_copy(file, family)
    file.write_bytes(content)
    assert read_copy(file, family).chunk.rows == 8


@pytest.mark.parametrize("place", [0, 100, -300, -8, -1])
def test_a_damaged_file_is_named_and_repaired(place, run, probe, capsys):
    file = chunks(run)[1]
    content = file.read_bytes()
    file.write_bytes(flipped(content, place % len(content)))
    assert blamed(capsys, file, "is damaged")
    assert repaired(capsys, probe)


@pytest.mark.parametrize("harm", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b + b"\0", lambda b: b + b])
def test_a_file_cut_or_lengthened_is_damaged(harm, run, probe, capsys):
    file = chunks(run)[5]
    file.write_bytes(harm(file.read_bytes()))
    assert blamed(capsys, file, "is damaged")
    assert repaired(capsys, probe)


def test_a_renamed_file_is_named(run, probe, capsys):
    first, second, *_ = chunks(run)
    first.replace(second)
    assert blamed(capsys, second, f"was written under another name, {first.name}")
    assert repaired(capsys, probe)


def test_a_foreign_table_under_the_name_of_a_chunk_is_replaced(run, probe, capsys):
    file = chunks(run)[0]
    pd.DataFrame({"x": [1]}).to_parquet(file)
    assert blamed(capsys, file, "was not written by sweepjax")
    assert repaired(capsys, probe)


@pytest.mark.parametrize("name", ["mean.parquet", "0123456789ab-000000000.parquet"])
def test_a_foreign_table_is_never_removed(name, run, capsys):
    file = run / name
    pd.DataFrame({"x": [1]}).to_parquet(file)
    assert blamed(capsys, file, "was not written by sweepjax", stays=True)
    assert verified(capsys, "--repair")[0] == 5
    assert file.exists()


def test_a_file_of_another_sweep_is_named_and_stays(run, limit, capsys):
    file = run / chunks(limit)[0].name
    file.write_bytes(chunks(limit)[0].read_bytes())
    assert blamed(capsys, file, "belongs to another sweep", stays=True)
    assert verified(capsys, "--repair")[0] == 5
    assert file.exists()


@pytest.mark.parametrize(
    ("column", "value"), [("seed", 1), ("realization", 9), ("sigma", 2.0), ("lam", 0.3), ("model", "x"), ("d", None)]
)
def test_a_label_that_is_not_the_plans_is_named(column, value, run, probe, capsys):
    file = chunks(run)[0]
    rewritten(file, edited(column, lambda _: value, row=3))
    assert blamed(capsys, file, f"has other values of {column} than the plan for rows 0 to 7")
    assert repaired(capsys, probe)


def widened(schema):
    return schema.set(schema.get_field_index("bits"), pa.field("bits", pa.int64()))


EDITS = [
    ("has 7 rows where its footer says 8", lambda table: table.slice(0, 7), {}),
    ("has 9 rows where its footer says 8", lambda table: pa.concat_tables([table, table.slice(7)]), {}),
    ("other values of realization", lambda table: table.take([1, 0, 2, 3, 4, 5, 6, 7]), {}),
    ("other values of realization", lambda table: table.take([0, 0, 2, 3, 4, 5, 6, 7]), {}),
    ("does not say which rows", lambda table: table, {"stop": "many"}),
    ("describes other tasks", lambda table: table, {"start": "8", "stop": "16"}),
    ("describes other tasks", lambda table: table, {"family": "{}"}),
    ("other values of seed", lambda table: table.drop_columns(["seed"]), {}),
    ("bits is missing here, uint32 there", lambda table: table.drop_columns(["bits"]), {}),
    ("extra is int64 here, missing there", lambda table: table.append_column("extra", pa.array([0] * 8)), {}),
    ("bits is int64 here, uint32 there", lambda table: table.cast(widened(table.schema)), {}),
    ("in another order", lambda table: table.select(table.column_names[::-1]), {}),
]


@pytest.mark.parametrize(("words", "change", "told"), EDITS)
def test_rows_or_columns_that_are_not_the_plans_are_named(words, change, told, run, capsys):
    file = chunks(run)[0]
    rewritten(file, change, **told)
    assert blamed(capsys, file, words)


def test_a_file_of_another_format_stays(run, capsys):
    file = chunks(run)[0]
    rewritten(file, format="2")
    assert blamed(capsys, file, "is of format 2, and this version of sweepjax knows 1", stays=True)


def shifted(run, start, stop):
    """Write rows start to stop of the first family as a file of their own, as another chunk size would."""
    first, second, third = chunks(run)[:3]
    table = pa.concat_tables([pq.ParquetFile(file).read() for file in (first, second, third)])
    name = f"{first.name[:12]}-{start:09d}"
    told = {"start": str(start), "stop": str(stop), "chunk": name}
    file = run / f"{name}.parquet"
    rewritten(first, lambda _: table.slice(start, stop - start), to=file, **told)
    return file


def test_rows_that_are_in_two_files_are_named_and_the_odd_file_is_removed(run, probe, capsys):
    second, third = chunks(run)[1:3]
    file = shifted(run, 12, 18)
    assert blamed(capsys, file, f"repeats 6 of its rows 12 to 17, which are in {second.name}, {third.name}")
    code, lines = verified(capsys, "--repair")
    assert (code, lines[-1]) == (0, "40 rows in 6 files are sound; faulty files: 0; removed: 1")
    assert everything(run) == everything(probe)


def test_an_odd_file_with_rows_of_its_own_stays(run, capsys):
    second, third = chunks(run)[1:3]
    file = shifted(run, 12, 18)
    third.unlink()
    assert blamed(capsys, file, f"repeats 4 of its rows 12 to 17, which are in {second.name}", stays=True)
    second.unlink()
    assert blamed(capsys, file, "holds rows 12 to 17, which is no chunk of this directory", stays=True)
    assert verified(capsys, "--repair")[0] == 5
    assert file.exists()


def test_a_file_longer_than_a_chunk_is_odd(run, capsys):
    assert blamed(capsys, shifted(run, 0, 12), "repeats 4 of its rows 0 to 11", stays=True)


def test_a_gap_is_no_fault(run, probe, capsys):
    for file in chunks(run)[1::4]:
        file.unlink()
    code, lines = verified(capsys)
    assert code == 0
    assert lines == [
        "missing  12 rows are missing; run `sweepjax run run/_sweep.toml -o run` again",
        "28 rows in 4 files are sound; faulty files: 0",
    ]
    assert repaired(capsys, probe)


def test_a_tail_that_may_yet_grow_is_a_gap(run, capsys):
    record = run / "_sweep.toml"
    record.write_text(record.read_text().replace("realizations = 20", "realizations = 30"))
    assert verified(capsys)[1][0].startswith("missing  20 rows are missing")
    record.write_text(record.read_text().replace("realizations = 30", "realizations = 10"))
    assert verified(capsys) == (0, ["40 rows in 6 files are sound; faulty files: 0"])


def test_a_directory_without_rows_is_all_gap(run, capsys):
    for file in chunks(run):
        file.unlink()
    code, lines = verified(capsys, "--recheck", "5")
    assert (code, lines[0][:26]) == (0, "missing  40 rows are missi")


def test_temporaries_are_mentioned_and_stay(run, capsys):
    (run / "_x.parquet.1-ab.tmp").write_bytes(b"PAR1")
    code, lines = verified(capsys, "--repair")
    assert code == 0
    assert lines[0].startswith("_x.parquet.1-ab.tmp  is left of a write under way")
    assert (run / "_x.parquet.1-ab.tmp").exists()


def test_every_faulty_file_has_its_line(run, probe, capsys):
    files = chunks(run)
    files[0].write_bytes(b"")
    rewritten(files[2], edited("seed", lambda _: 5))
    files[4].unlink()
    (run / "mean.parquet").touch()
    code, lines = verified(capsys)
    assert code == 5
    assert [line.split()[0] for line in lines[:-1]] == [files[0].name, files[2].name, "mean.parquet", "missing"]
    assert lines[-1] == "20 rows in 3 files are sound; faulty files: 3"
    (run / "mean.parquet").unlink()
    assert repaired(capsys, probe)


def test_a_file_that_goes_while_it_is_verified_is_a_gap(run, monkeypatch):
    gone = chunks(run)[0]
    read = Path.read_bytes
    monkeypatch.setattr("sweepjax.store.copies.WAITS", (0.0, 0.0))
    monkeypatch.setattr(Path, "read_bytes", lambda file: (file == gone and gone.unlink(missing_ok=True)) or read(file))
    findings = verify(opened(run))
    assert (findings.faults, findings.missing) == ([], 8)


REFUSALS = [
    ("", 2, "DIR"),
    ("nowhere", 2, "holds no sweep"),
    ("run --recheck 0", 2, "--recheck 0|whole number from 1"),
    ("run --recheck many", 2, "'many'|whole number"),
    ("run --recheck=-3", 2, "--recheck|from 1"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), REFUSALS)
def test_verify_refuses_what_it_is_not_meant_for(arguments, code, words, run, capsys):
    assert app(["verify", *arguments.split()]) == code
    (sentence,) = capsys.readouterr().err.splitlines()
    for word in words.split("|"):
        assert word in sentence


def test_an_edited_record_is_a_conflict_and_a_broken_one_damage(run, capsys):
    record = run / "_sweep.toml"
    whole = record.read_text()
    record.write_text(whole.replace("n = 20", "n = 30"))
    assert verified(capsys) == (4, [])
    record.write_text(whole[:20])
    assert verified(capsys) == (5, [])


def test_rechecked_rows_are_spread_over_the_files_and_always_the_same(run):
    sound = verify(opened(run)).sound
    picked = list(chosen(sound, 6))
    assert picked == list(chosen(sound, 6))
    assert len({file for file, _, _ in picked}) >= 4
    assert [(file, row) for file, _, row in chosen(sound, 10**6)] == [
        (file, row) for file in sorted(sound) for row in range(sound[file].rows)
    ]


def test_every_row_is_found_again(run, capsys):
    code, lines = verified(capsys, "--recheck", "100")
    assert code == 0
    assert lines[-1].endswith("computed again: 40 rows, values that differ: 0")


def test_a_changed_draw_is_found_by_recheck_alone(run, capsys):
    file = chunks(run)[3]
    rewritten(file, edited("bits", lambda value: value ^ 1, row=5))
    assert verified(capsys)[0] == 0
    code, lines = verified(capsys, "--recheck", "40", "--repair")
    assert code == 5
    assert re.fullmatch(rf"{file.name}  row 5: bits is \d+, computed again \d+", lines[0])
    assert lines[-1].endswith("values that differ: 1")
    assert file.exists()


def test_rows_of_limit_are_found_again_by_the_engine_and_by_scipy(solved, capsys):
    code, lines = verified(capsys, "--recheck", "16")
    assert code == 0, lines
    separable = pd.read_parquet(solved)["separable"]
    assert 0 < separable.sum() < 16


@pytest.mark.parametrize(("column", "separable"), [("s_norm", False), ("margin", True), ("separable", True)])
def test_a_number_edited_by_hand_is_found_by_recheck(column, separable, solved, capsys):
    file = chunks(solved)[0]
    row = pq.ParquetFile(file).read()["separable"].to_pylist().index(separable)
    rewritten(file, edited(column, lambda value: value * (1 + 1e-4) if column != "separable" else not value, row))
    code, lines = verified(capsys, "--recheck", "16")
    assert code == 5
    found = [line for line in lines if line.startswith(f"{file.name}  row {row}: {column} is ")]
    assert len(found) == 2
    assert found[1].endswith("by SciPy")


def test_a_number_within_the_promised_accuracy_is_the_same(solved):
    file = chunks(solved)[0]
    row = pq.ParquetFile(file).read()["separable"].to_pylist().index(False)
    rewritten(file, edited("s_norm", lambda value: value * (1 + 1e-7), row))
    rewritten(file, edited("iterations", lambda value: value + 3, row))
    store = opened(solved)
    assert not list(recheck(verify(store), 16))


def points(n, d, scale):
    return scale * np.random.default_rng(n + d).standard_normal((n, d))


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize(("n", "d"), [(3, 1), (40, 10), (40, 19), (40, 24), (6, 6)])
def test_scipy_proves_one_of_the_two_and_never_both(n, d, scale):
    x = points(n, d, scale)
    q, distance = scipys.nearest_point(x)
    separated = scipys.separates(x, q)
    s = -10 * q / distance**2 if separated else scipys.minimiser(x)
    assert scipys.surrounds_origin(x, s) != separated
    if separated:
        np.testing.assert_allclose(np.min(x @ q) / distance, distance, rtol=1e-8)
    else:
        p = np.exp(x @ s)
        assert np.linalg.norm(p @ x) < 1e-9 * scale * np.sum(p)


def test_scipy_finds_the_margins_known_by_hand():
    x = np.array([[1, 0.5], [-0.3, 0.8], [-1.2, -0.4]])
    assert scipys.nearest_point(x)[1] == pytest.approx(0.08414063238, abs=1e-11)


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"margin": 2.0}, "margin"),
        ({"margin": None}, "margin"),
        ({"separable": False, "s_norm": 1.0}, "separable"),
        ({"separable": False, "s_norm": None}, "separable"),
        ({"margin": 2.0, "certified": False}, None),
        ({}, None),
    ],
)
def test_scipy_contradicts_what_is_wrong_in_a_certified_row(change, column):
    row = {"certified": True, "separable": True, "margin": 1.0} | change
    found = [each.column for each in scipys.uncertain(row, np.array([[1.0, 0.0], [1.0, 1.0]]))]
    assert found[:1] == ([column] if column else [])


def table(**columns):
    return pa.table(columns)


def said(kind, tolerance=(1e-5, 1e-12), **columns):
    rows = pa.table(columns)
    return rows.cast(pa.schema([describing(field, kind, Tolerance(*tolerance)) for field in rows.schema]))


CURVES = pa.FixedSizeListArray.from_arrays(pa.array([1.0, 2.0, 3.0, 4.0]), 2)
NAMED_OTHERWISE = pa.list_(pa.field("other", pa.float64()), 2)


@pytest.mark.parametrize(
    ("one", "other", "told"),
    [
        (table(x=[1.0, 2.0]), table(x=[1.0, 2.00001]), []),
        (table(x=[1.0, 2.0]), table(x=[1.0, 2.0001]), [(1, "x", 2.0, 2.0001)]),
        (table(x=[1e-30]), table(x=[-1e-30]), []),
        (table(x=[float("nan"), None]), table(x=[float("nan"), None]), []),
        (table(x=[float("inf")]), table(x=[float("inf")]), []),
        (table(x=[None, 0.0]), table(x=[0.0, 0.0]), [(0, "x", None, 0.0)]),
        (table(x=["a", "b"]), table(x=["a", "c"]), [(1, "x", "b", "c")]),
        (table(x=[True, None]), table(x=[True, False]), [(1, "x", None, False)]),
        (table(x=[1, 2]), table(x=[1, 3]), [(1, "x", 2, 3)]),
        (table(x=[1]), table(x=[1.0]), [(0, "x", "a column of int64", "a column of double")]),
        (
            table(x=[1]),
            table(y=[1]),
            [(0, "x", "a column of int64", "no column"), (0, "y", "no column", "a column of int64")],
        ),
        (said(EFFORT, x=[7]), said(EFFORT, x=[8]), []),
        (said(EFFORT, x=[7]), table(x=[8]), []),
        (table(x=[7]), said(EFFORT, x=[8]), []),
        (said(FACT, x=[7]), said(FACT, x=[8]), [(0, "x", 7, 8)]),
        (said(LABEL, x=[1.0]), said(LABEL, x=[1.000001]), [(0, "x", 1.0, 1.000001)]),
        (said(CURVE, (1e-4, 1e-4), x=[5e-5]), said(CURVE, (1e-4, 1e-4), x=[-5e-5]), []),
        (said(CURVE, (1e-4, 0.0), x=[1.0]), said(CURVE, (1e-4, 0.0), x=[1.0002]), [(0, "x", 1.0, 1.0002)]),
        (said(CURVE, (1e-4, 0.0), x=[200_000]), said(CURVE, (1e-4, 0.0), x=[200_001]), [(0, "x", 200_000, 200_001)]),
        (said(CURVE, (1e-4, 2.0), x=[5]), said(CURVE, (1e-4, 2.0), x=[7]), []),
        (table(x=CURVES), table(x=CURVES.cast(NAMED_OTHERWISE)), []),
        (table(x=CURVES), table(x=CURVES.take([0, 0])), [(1, "x[0]", 3.0, 1.0)]),
        (table(x=CURVES), table(x=CURVES.take(pa.array([0, None]))), [(1, "x[0]", 3.0, None)]),
        (table(x=CURVES).slice(1), table(x=CURVES.take([1])), []),
        (table(x=[1.0]).slice(1), table(x=[1.0]).slice(1), []),
    ],
)
def test_same_rows_are_equal_but_for_the_last_digits_of_floats(one, other, told):
    assert [tuple(difference) for difference in differences(one, other)] == told


@pytest.mark.parametrize(
    ("change", "relative", "unlike", "same"),
    [
        (5e-5, 1e-5, None, True),  # ten tolerances
        (2e-4, 1e-5, None, False),
        (5e-5, 1e-5, {}, False),  # of condition 1
        (5e-5, 1e-5, {"rate": 1}, True),  # 1e-7 / 0.001
        (2e-4, 1e-5, {"rate": 1}, False),
        (2e-3, 1e-5, {"rate": 1, "sigma": -2}, True),  # 1e-7 / (0.001 / 5²)
        (5e-5, 1e-5, {"rate": 1, "elsewhere": 7}, True),
        (5e-5, 1e-5, {"absent": 1}, False),  # NULL makes nothing looser
        (5e-5, 1e-5, {"zero": 1}, False),  # nor does no condition at all
        (5e-3, 1e-5, {"tiny": 1}, True),
        (5e-2, 1e-5, {"tiny": 1}, False),  # a hundredth at most
    ],
)
def test_between_kinds_of_devices_rows_differ_by_their_condition(change, relative, unlike, same):
    tolerance = Tolerance(relative, 0.0, None if unlike is None else Unlike(1e-7, unlike))
    others = {"rate": [0.001], "sigma": [5.0], "absent": pa.array([None], pa.float64()), "zero": [0.0], "tiny": [1e-15]}
    one, other = (said(FACT, tolerance, x=[1 + by], **others) for by in (0.0, change))
    assert [each.column for each in differences(one, other, unlike=True)] == ([] if same else ["x"])
    assert [each.column for each in differences(one, other)] == ["x"]


def test_a_broken_state_of_rows_under_way_is_named_and_removed(run, capsys):
    state = run / f"_state-{chunks(run)[0].stem}.npz"
    np.savez(state, header=np.array("any"), rows=np.arange(1000))
    assert verified(capsys)[0] == 0
    state.write_bytes(state.read_bytes()[:700])
    code, lines = verified(capsys)
    assert (code, lines[0].split("  ")[0]) == (5, state.name)
    assert verified(capsys, "--repair")[1][-1] == "40 rows in 6 files are sound; faulty files: 0; removed: 1"
    assert not state.exists()


def test_a_directory_of_runs_says_which_to_give(run, tmp_path, capsys):
    """As `solve` makes one."""
    shutil.copytree(run, tmp_path / "home" / "lam-0.5")
    for verb in ("verify", "status"):
        assert app([verb, str(tmp_path / "home")]) == 2
        assert f"it holds one that does, so give that: {tmp_path / 'home' / 'lam-0.5'}" in capsys.readouterr().err
    shutil.copytree(run, tmp_path / "home" / "lam-0.6")
    assert app(["verify", str(tmp_path / "home")]) == 2
    both = f"{tmp_path / 'home' / 'lam-0.5'}, {tmp_path / 'home' / 'lam-0.6'}"
    assert f"it holds 2 that do, so give one of them, or several: {both}" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["status", "reduce", "plot", "report"])
def test_a_published_folder_says_where_its_rows_are(verb, run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "home" / "data" / "any")
    rest = {"reduce": ["mean"], "plot": ["-o", "x.png"], "report": ["-o", "x.html"]}.get(verb, [])
    assert app([verb, str(tmp_path / "home"), *rest]) == 2
    assert f"so give that: {tmp_path / 'home' / 'data' / 'any'}" in capsys.readouterr().err
