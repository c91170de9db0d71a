import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sweepjax_cli import app
from tampering import chunks, copied, edited, everything, flipped, rewritten

import sweepjax as sj
from sweepjax.store.merge import merge
from sweepjax.store.store import Store

POINT = ["run", "--n", "20", "--solver", "probe:Bits", "--chunk", "8"]
SWEEP = [*POINT, "--lambda", "0.4,0.5"]


def run(path, command, *options):
    assert app([*command, *options, "-o", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def whole(home):
    """Six files of 8, 8 and 4 rows."""
    return run(home / "whole", SWEEP, "--realizations", "20")


@pytest.fixture(scope="module")
def short(home):
    """Four files of 8 and 2 rows, the beginning of `whole`."""
    return run(home / "short", SWEEP, "--realizations", "10")


@pytest.fixture
def place(whole, short, tmp_path, monkeypatch):
    """A directory of one's own with runs to merge: `whole`, overlapping parts `a` and `b` of it, and `short`."""
    monkeypatch.chdir(tmp_path)
    copied(whole, Path("whole"))
    copied(short, Path("short"))
    names = [file.name for file in chunks(whole)]
    copied(whole, Path("a"), names[:3])
    copied(whole, Path("b"), names[2:])
    return tmp_path


def merged(*sources, out="c"):
    merge([Path(source) for source in sources], Path(out))
    return everything(Path(out))


def files_of(path):
    return {file.name: file.read_bytes() for file in chunks(path)}


def contents(path):
    return {str(file.relative_to(path)): file.is_file() and file.read_bytes() for file in sorted(path.rglob("*"))}


def refused(capsys, arguments, code, words):
    before = contents(Path())
    capsys.readouterr()
    assert app(["merge", *arguments.split()]) == code
    out, err = capsys.readouterr()
    assert out == ""
    (sentence,) = err.splitlines()
    for word in words.split("|"):
        assert word in sentence, sentence
    assert contents(Path()) == before
    return True


def test_two_parts_make_the_whole_byte_for_byte(place, capsys):
    assert app(["merge", "a", "b", "-o", "c"]) == 0
    out, err = capsys.readouterr()
    assert out == "c\n"
    assert err == "sweepjax: 40 of 40 rows in 6 files\n"
    assert everything(Path("c")) == everything(Path("whole"))


def test_parts_run_apart_make_the_whole(place):
    for part in "12":
        run(Path(f"part{part}"), SWEEP, "--realizations", "20", "--part", f"{part}/2")
    assert merged("part1", "part2") == everything(Path("whole"))


def test_what_is_missing_is_said(place, capsys):
    assert app(["merge", "a", "-o", "c"]) == 0
    assert capsys.readouterr().err == (
        "sweepjax: 20 of 40 rows in 3 files; 20 rows are missing; run `sweepjax run c/_sweep.toml -o c` again\n"
    )


def test_a_run_merged_with_itself_is_itself(place):
    assert merged("whole") == merged("whole", "whole", "./whole/", out="d") == everything(Path("whole"))


def test_the_order_of_merging_does_not_matter(place):
    orders = [merged(*order, out=f"c{i}") for i, order in enumerate(itertools.permutations(["a", "b", "short"]))]
    assert all(one == orders[0] for one in orders)


def test_merging_in_steps_is_merging_at_once(place):
    merged("b", "short", out="bs")
    merged("a", "b", out="ab")
    assert merged("a", "bs", out="left") == merged("ab", "short", out="right") == merged("a", "b", "short")


def test_more_realizations_win_over_fewer(place):
    assert merged("short", "whole") == merged("whole", "short", out="d") == everything(Path("whole"))


def test_the_longer_tail_wins_whichever_run_asked_for_more(place):
    for file in chunks(Path("b")):
        file.unlink()
    joined = merged("short", "b")
    assert joined["_sweep.toml"] == Path("whole", "_sweep.toml").read_bytes()
    assert len(sj.read("c")) == 20
    run(Path("c"), SWEEP, "--realizations", "20")
    assert files_of(Path("c")) == files_of(Path("whole"))


def test_the_target_may_be_one_of_the_sources(place):
    merge([Path("a"), Path("b")], Path("a"))
    assert everything(Path("a")) == everything(Path("whole"))


def test_the_target_may_hold_rows_of_the_sweep(place):
    merge([Path("a")], Path("short"))
    before = {file.name: file.stat().st_mtime_ns for file in chunks(Path("short"))}
    merge([Path("b")], Path("short"))
    assert everything(Path("short")) == everything(Path("whole"))
    unchanged = {file.name for file in chunks(Path("a"))} - {chunks(Path("a"))[2].name}
    assert all(Path("short", name).stat().st_mtime_ns == before[name] for name in unchanged)


def test_the_target_may_be_an_empty_directory(place):
    Path("c").mkdir()
    assert merged("a", "b") == everything(Path("whole"))


def test_runs_without_rows_are_merged_too(place):
    for file in chunks(Path("a")):
        file.unlink()
    assert list(merged("a")) == ["_sweep.toml"]


def test_a_run_of_few_columns_and_one_of_all_are_no_one_run_even_without_rows(place, capsys):
    copied(Path("whole"), Path("none"), [])
    assert app(["merge", "whole", "-o", "few", "--column", "bits"]) == 0
    for sources in itertools.permutations(["none", "few"]):
        assert refused(capsys, f"{' '.join(sources)} -o c", 4, "the columns bits only|give --column")


def test_another_spelling_is_the_same_sweep(place):
    run(Path("spelled"), POINT, "--lambda", "0.4:0.5:0.1", "--realizations", "20")
    one, other = merged("spelled", "a"), merged("a", "spelled", out="d")
    assert one == other
    assert files_of(Path("c")) == files_of(Path("whole"))


def refuse_with(error, words, *sources, out="c"):
    before = contents(Path())
    with pytest.raises(error, match=words):
        merge([Path(source) for source in sources], Path(out))
    assert contents(Path()) == before


def test_a_row_with_two_values_is_refused_with_its_place(place, capsys):
    file = chunks(Path("b"))[0]
    rewritten(file, edited("placed", lambda value: value ^ 4, row=2))
    words = f"placed of row 18 is |in a/{file.name}|in b/{file.name}|--recheck"
    assert refused(capsys, "a b -o c", 4, words)
    assert refused(capsys, "b a -o c", 4, words)
    assert refused(capsys, "a b -o a", 4, words)
    assert refused(capsys, "b -o a", 4, words)


def test_the_common_rows_of_a_shorter_file_are_compared(place, capsys):
    file = chunks(Path("short"))[1]
    rewritten(file, edited("bits", lambda value: value ^ 4, row=1))
    assert refused(capsys, "whole short -o c", 4, f"bits of row 9|short/{file.name}")


def test_the_last_digits_of_floats_are_no_conflict_and_the_choice_has_no_order(place):
    (file, *_), (again, *_) = chunks(Path("a")), chunks(Path("whole"))
    for each, factor in ((file, 1.0), (again, 1 + 1e-9)):
        rewritten(each, lambda table, factor=factor: table.append_column("x", pa.array([factor] * 8)))
    for path in ("a", "whole"):
        for other in chunks(Path(path))[1:]:
            other.unlink()
    assert merged("a", "whole") == merged("whole", "a", out="d")
    again_twice = merged("c", "a", out="e")
    assert again_twice == everything(Path("c"))


def test_another_footer_is_no_conflict_and_the_choice_has_no_order(place):
    for file in chunks(Path("b")):
        rewritten(file, device="another")
    assert merged("whole", "b") == merged("b", "whole", out="d")
    assert len(sj.read("c")) == 40


def test_columns_of_another_version_are_refused(place, capsys):
    for file in chunks(Path("b"))[1:]:
        rewritten(file, lambda table: table.append_column("extra", pa.array([0] * table.num_rows)))
    chunks(Path("b"))[0].unlink()
    assert refused(capsys, "a b -o c", 4, "different columns|one version")


@pytest.mark.slow
def test_another_sweep_is_refused_with_the_difference(place, capsys):
    run(Path("other"), POINT, "--lambda", "0.4,0.6", "--realizations", "20")
    assert refused(capsys, "a other -o c", 4, "a (here)|other (there)|lambda: 0.4,0.5 here, 0.4,0.6 there")
    assert refused(capsys, "a b -o other", 4, "different sweeps")


def test_other_chunks_are_refused(place, capsys):
    run(Path("other"), ["run", "--n", "20", "--solver", "probe:Bits", "--lambda", "0.4,0.5"], "--chunk", "5")
    assert refused(capsys, "a other -o c", 2, "chunks of 8 rows|other of 5|--chunk")


OTHERS = [
    ("", 2, "A B"),
    ("a b", 2, "-o"),
    ("a nowhere -o c", 2, "nowhere|holds no sweep"),
    ("a b -o a/_sweep.toml", 2, "_sweep.toml is a file"),
    ("a b -o notes", 4, "notes.txt|choose an empty"),
    ("a b -o tables", 5, "t.parquet|choose another"),
    ("a b -o /proc/c", 1, "/proc/c|safe"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), OTHERS)
def test_merge_refuses_what_it_is_not_meant_for(arguments, code, words, place, capsys):
    for name in ("notes/notes.txt", "tables/t.parquet"):
        Path(name).parent.mkdir()
        Path(name).write_text("text")
    assert refused(capsys, arguments, code, words)


@pytest.mark.parametrize("where", ["a", "c"])
def test_a_damaged_file_is_refused_and_nothing_is_copied(where, place, capsys):
    copied(Path("whole"), Path("c"), [])
    file = Path(where, chunks(Path("whole"))[1].name)
    content = Path("whole", file.name).read_bytes()
    file.write_bytes(flipped(content, 200))
    assert refused(capsys, "b a -o c", 5, f"{file}|is damaged|sweepjax verify {where} --repair")


def test_files_that_are_no_chunks_of_the_sweep_are_refused(place, capsys):
    Path("a", "mean.parquet").write_bytes(b"PAR1")
    assert refused(capsys, "a b -o c", 5, "a/mean.parquet|move it out")
    Path("a", "mean.parquet").rename("a/0123456789ab-000000000.parquet")
    assert refused(capsys, "a b -o c", 5, "a/0123456789ab-000000000.parquet|move it out")


def test_a_file_that_is_cut_otherwise_is_refused(place, capsys):
    first = chunks(Path("a"))[0]
    name = f"{first.name[:12]}-{4:09d}"
    pieces = pa.concat_tables([pq.ParquetFile(file).read() for file in chunks(Path("a"))[:2]])
    told = {"start": "4", "stop": "9", "chunk": name}
    rewritten(first, lambda table: pieces.slice(4, 5), to=Path("a", f"{name}.parquet"), **told)
    assert refused(capsys, "a b -o c", 5, f"{name}.parquet is not cut every 8 rows")


def test_a_file_that_seems_gone_is_looked_for_again(place, monkeypatch):
    read, seen = Path.read_bytes, set()

    def shy(file):
        if file.suffix == ".parquet" and file not in seen:
            seen.add(file)
            raise FileNotFoundError(2, "No such file or directory", str(file))
        return read(file)

    monkeypatch.setattr("sweepjax.store.copies.WAITS", (0.0, 0.0))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", shy)
        merge([Path("a"), Path("b")], Path("c"))
    assert everything(Path("c")) == everything(Path("whole"))


def test_a_file_that_is_gone_is_left_out(place, monkeypatch):
    gone = chunks(Path("a"))[0]
    monkeypatch.setattr("sweepjax.store.copies.WAITS", (0.0, 0.0))
    monkeypatch.setattr("sweepjax.store.merge._check", lambda *_: gone.unlink())
    assert set(merged("a", "b")) == set(everything(Path("whole"))) - {gone.name}


def test_a_file_extended_while_the_others_are_read_is_taken_as_it_is_then(place, monkeypatch):
    create = Store.create

    def create_later(store):
        for file in chunks(Path("whole")):
            Path("short", file.name).write_bytes(file.read_bytes())
        return create(store)

    monkeypatch.setattr(Store, "create", create_later)
    files = merged("short")
    assert {name for name in files if name[0] != "_"} == {file.name for file in chunks(Path("whole"))[:2]} | {
        file.name for file in chunks(Path("whole"))[3:5]
    }
    assert len(sj.read("c")) == 32


def test_a_merge_that_fails_in_the_middle_leaves_whole_files_only(place, monkeypatch):
    writes = iter([None, None, OSError(28, "No space left on device")])
    replace = Path.replace

    def limited(file, target):
        if error := next(writes):
            raise error
        return replace(file, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", limited)
        with pytest.raises(OSError, match="No space left"):
            merge([Path("a"), Path("b")], Path("c"))
    assert not list(Path("c").glob("*.tmp"))
    assert app(["verify", "c"]) == 0
    assert merged("a", "b") == everything(Path("whole"))


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--column", "third", "--chunk", "8"]])
def test_rows_of_another_kind_of_device_may_differ_by_more(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(Path("a"), ["run", "--n", "20", "--lambda", "0.5", "--solver", "probe:Thirds", "--realizations", "4"])
    (file,) = chunks(copied(Path("a"), Path("b")))
    rewritten(file, edited("third", lambda value: value * (1 + 5e-5)))
    assert app(["merge", "a", "b", *options, "-o", "c"]) == 4
    rewritten(file, device="another")
    assert app(["merge", "a", "b", *options, "-o", "c"]) == 0
    rewritten(file, edited("third", lambda value: value * 1.01))
    assert app(["merge", "a", "b", *options, "-o", "d"]) == 4
