import subprocess
from pathlib import Path

import pytest
from command import SCRIPT
from sweepjax_cli import app

SMALL = ["run", "--n", "20", "--lambda", "0.5", "--realizations", "8", "--chunk", "8"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("stored") / "run"
    assert app([*SMALL, "-o", str(path)]) == 0
    return path


@pytest.fixture
def place(stored, tmp_path, monkeypatch):
    """A directory of one's own with a run, a table, and things that are neither."""
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    for file in stored.iterdir():
        Path("run", file.name).write_bytes(file.read_bytes())
    Path("file").write_text("text")
    Path("other").mkdir()
    Path("other", "notes.txt").write_text("text")
    Path("foreign").mkdir()
    Path("foreign", "table.parquet").write_bytes(b"PAR1")
    Path("binary.toml").write_bytes(b"\xff\xfe\x00")
    Path("broken.toml").write_text("n = = 4")
    Path("unknown.toml").write_text("realisations = 4")
    return tmp_path


def contents(path):
    return {str(file.relative_to(path)): file.is_file() and file.read_bytes() for file in sorted(path.rglob("*"))}


def complaint(arguments, capsys):
    """The exit code and the one sentence on stderr, without the notes that come before it."""
    capsys.readouterr()
    code = app(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    return code, err.strip().splitlines()[-1]


def refused(arguments, code, words, *, place, capsys):
    before = contents(place)
    given, sentence = complaint(arguments, capsys)
    assert given == code, sentence
    assert sentence.startswith("sweepjax: ")
    for word in words.split("|"):
        assert word in sentence
    assert contents(place) == before


RUN = [
    ("--lambda abc", "'abc'|not a number"),
    ("--lambda 0.6:0.4", "backwards"),
    ("--lambda nan", "finite"),
    ("--lambda inf", "finite"),
    ("--lambda=-1", "lambda = -1|above 0"),
    ("--lambda 0", "lambda = 0|above 0"),
    ("--lambda 0.4,,0.5", "empty"),
    ("--lambda 0:1:1e-9", "has more than 100000 points"),
    ("--lambda 0.4:0.6:0", "step above 0"),
    ("--lambda 0.4:0.6@0", "count"),
    ("--lambda 1e-9", "change lambda"),
    ("--n 0", "n = 0|at least 1"),
    ("--n 2.5", "whole numbers"),
    ("--n 1e400", "finite"),
    ("--n 40 --d 10 --lambda 0.25", "at most two"),
    ("--d=-3", "d = -3|at least 1"),
    ("--sigma 0", "sigma = 0|at least 1e-30 and at most 1e+30"),
    ("--sigma=-1", "sigma = -1|at least 1e-30"),
    ("--sigma 1e-40", "sigma = 1e-40|at least 1e-30"),
    ("--sigma 1e39", "sigma = 1e+39|at most 1e+30"),
    ("--sigma nan", "finite"),
    ("--seed=-1", "seed = -1|at least 0"),
    ("--seed 4294967296", "seed|below"),
    ("--seed 1.5", "whole numbers"),
    ("--realizations 0", "realizations = 0|from 1"),
    ("--realizations=-5", "realizations|from 1"),
    ("--realizations ten", "'ten'|whole number"),
    ("--realizations 1e30", "whole number"),
    ("--until 10", "leave --until"),
    ("--until soon", "'soon'|finite number"),
    ("--record 10", "leave --until"),
    ("--observe nothing", "unknown observable 'nothing'"),
    ("--model logistics", "did you mean 'logistic'"),
    ("--model no.such:Thing", "package.module:Name"),
    ("--model :", "package.module:Name"),
    ("--model ..a:B", "package.module:Name"),
    ("--model os:getcwd", "no plug-in"),
    ("--solver limits", "did you mean 'limit'"),
    ("--preset lambda_scn", "did you mean 'lambda_scan'"),
    ("--set sgima=1", "did you mean 'sigma'"),
    ("--set sigma", "FIELD=AXIS"),
    ("--set =1", "FIELD=AXIS"),
    ("--set sigma=", "FIELD=AXIS"),
    ("--set sigma=1 --set sigma=2", "set twice"),
    ("--set n=40", "n is given twice"),
    ("--set lambda=0.5", "lambda is given twice"),
    ("--set lam=0.5", "lam is given twice, by --lambda and by --set"),
    ("--set realizations=5", "give --realizations"),
    ("--set loss=square", "'square'|one of: logistic, exponential"),
    ("--set init_norm=-1", "init_norm = -1|at least 0"),
    ("--batch 0", "--batch '0'|auto"),
    ("--batch many", "--batch 'many'|auto"),
    ("--chunk 0", "--chunk"),
    ("--chunk x", "--chunk|'x'"),
    ("--device gpus", "did you mean 'gpu'"),
    ("--part 0/2", "K/N"),
    ("--part 3/2", "K/N"),
    ("--part 1", "K/N"),
    ("--part a/b", "K/N"),
    ("--part ²/3", "K/N"),
    ("--realisations 5", "--realizations"),
    ("--lambda", "--lambda|argument"),
    ("nowhere.toml", "nowhere.toml|does not exist"),
    ("run", "directory"),
    ("broken.toml", "broken.toml|not TOML"),
    ("binary.toml", "binary.toml|not text"),
    ("unknown.toml", "unknown.toml|did you mean 'realizations'"),
    ("run/_sweep.toml --preset margins", "both given"),
    ("run/_sweep.toml more", "extra argument"),
    ("-o file", "file is a file"),
    ("-o file/below", "file is a file"),
]


@pytest.mark.parametrize(("arguments", "words"), RUN)
def test_run_refuses_what_it_is_not_meant_for(arguments, words, place, capsys):
    options = arguments.split(" ")
    base = [] if any(word.startswith(("--lambda", "--n", "--d=")) for word in options) else SMALL[1:5]
    refused(["run", *options, *base], 2, words, place=place, capsys=capsys)


@pytest.mark.parametrize("option", ["--lambda", "--n", "--sigma", "--seed", "--model", "--set", "--part", "--batch"])
def test_an_empty_option_is_refused(option, place, capsys):
    refused(["run", option, ""], 2, "''", place=place, capsys=capsys)


OTHERS = [
    ("", 2, "Missing command"),
    ("rnu", 2, "Did you mean 'run'"),
    ("--nothing", 2, "--nothing"),
    ("run --n 20 --lambda 0.5 -o other", 4, "notes.txt|choose an empty"),
    ("run --n 20 --lambda 0.5 -o foreign", 5, "table.parquet|choose another"),
    ("run --n 20 --lambda 0.45 -o run", 4, "another sweep|lambda: 0.45 here, 0.5 there"),
    ("run --n 20 --lambda 0.5 --seed 1 -o run", 4, "seed: 1 here, 0 there"),
    ("run --n 20 --lambda 0.5 -o /proc/sweep", 1, "/proc/sweep|safe|give another path"),
    ("run --n 20 --lambda 0.5 --device tpu -o new", 1, "no tpu device|--device"),
    ("status", 2, "DIR"),
    ("status nowhere", 2, "nowhere|holds no sweep"),
    ("status other", 2, "other|holds no sweep"),
    ("status foreign", 5, "table.parquet|no _sweep.toml|choose another"),
    ("verify foreign", 5, "table.parquet|no _sweep.toml|choose another"),
    ("merge run foreign -o new", 5, "table.parquet|no _sweep.toml|choose another"),
    ("status file", 2, "file|holds no sweep"),
    ("reduce", 2, "DIR"),
    ("reduce run", 2, "DIR"),
    ("reduce nowhere mean", 2, "there is no|nowhere"),
    ("reduce other mean", 2, "other|no finished rows"),
    ("reduce run means", 2, "did you mean 'mean'"),
    ("reduce run file mean", 5, "file is damaged"),
    ("reduce run mean --column s_nrom", 2, "did you mean 's_norm'"),
    ("reduce run mean --by lamb", 2, "did you mean 'lam'"),
    ("reduce run separable_fraction --column s_norm", 2, "unknown option 'column'"),
    ("reduce run mean --column s_norm --set column=margin", 2, "column is given"),
    ("reduce run mean -o run/mean.parquet", 2, "among the rows of a run|another directory"),
    ("reduce run mean --set sketch=big", 2, "sketch = 'big'|whole number"),
    ("reduce run mean --set separable_is_zero=maybe", 2, "true or false"),
    ("reduce run mean --set quantiles=a", 2, "quantiles|numbers from 0 to 100"),
    ("reduce run mean --set quantiles=200", 2, "quantiles|numbers from 0 to 100"),
    ("reduce run mean --set sketch=-1", 2, "sketch|number from 8 to 65535"),
    ("reduce run histogram --set bins=0", 2, "at least one bin"),
    ("reduce run histogram --set bins=1,2", 2, "bins = '1,2'|whole number"),
    ("reduce run histogram --set low=nan", 2, "low = 'nan'|finite"),
    ("reduce run histogram --set low=2 --set high=1", 2, "low < high"),
    ("reduce run histogram --set scale=lin", 2, "linear, log"),
    ("reduce run histogram --column model", 2, "'model'|numbers"),
    ("reduce run mean -o table.xlsx", 2, ".csv or .parquet"),
    ("reduce run mean -o run", 2, ".csv or .parquet"),
    ("reduce run mean -o nowhere/table.csv", 2, "nowhere|make it first"),
    ("plot run -o picture.gif", 2, ".png or .pdf or .svg"),
    ("plot run", 2, "--out"),
    ("plot run --figure s_norm -o p.png", 2, "unknown figure 's_norm'|s_norm_and_margin"),
    ("plot nowhere -o p.png", 2, "there is no|nowhere"),
    ("plot run -o file/p.png", 2, "no directory"),
    ("theory", 2, "QUANTITY"),
    ("theory margin", 2, "--lambda"),
    ("theory margins --lambda 0.6", 2, "did you mean 'margin'"),
    ("theory nonsense", 2, "unknown quantity|linear_regression"),
    ("theory quadratic_modular", 2, "knows nothing|run them"),
    ("theory margin --lambda 0", 2, "lambda = 0|above 0"),
    ("theory margin --lambda 0.6:0.5", 2, "backwards"),
    ("theory margin --lambda 0.6 --sigma 0", 2, "sigma|positive"),
    ("theory margin --lambda 0.6 --sigma nan", 2, "sigma|finite"),
    ("theory separable_probability --lambda 0.5 --n 0", 2, "n is 0|positive"),
    ("theory separable_probability --lambda 1e-6 --n 10", 2, "lambda|1e-06|n = 10"),
    ("theory margin --lambda 0.6 --n ten", 2, "'ten'"),
    ("list", 2, "KIND"),
    ("list model", 2, "did you mean 'models'"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), OTHERS)
def test_every_command_refuses_what_it_is_not_meant_for(arguments, code, words, place, capsys):
    refused(arguments.split(), code, words, place=place, capsys=capsys)


def test_a_truncated_file_is_named_by_every_command(place, capsys):
    file = next(Path("run").glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-100])
    for arguments in (
        [*SMALL, "-o", "run"],
        ["status", "run"],
        ["reduce", "run", "mean"],
        ["plot", "run", "-o", "p.png"],
    ):
        refused(arguments, 5, f"{file.name}|damaged", place=place, capsys=capsys)


def test_a_flipped_byte_is_found_where_rows_are_read(place, capsys):
    file = next(Path("run").glob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[100] ^= 0xFF
    file.write_bytes(content)
    refused(["reduce", "run", "mean"], 5, f"{file.name}|damaged", place=place, capsys=capsys)


def test_an_edited_record_is_a_conflict_and_a_broken_one_is_damage(place, capsys):
    record = Path("run/_sweep.toml")
    whole = record.read_text()
    record.write_text(whole.replace("n = 20", "n = 30"))
    refused([*SMALL, "-o", "run"], 4, "_sweep.toml|edited", place=place, capsys=capsys)
    record.write_text(whole[:20])
    refused(["status", "run"], 5, "_sweep.toml|damaged", place=place, capsys=capsys)


@pytest.mark.slow
def test_a_full_disk_leaves_finished_rows_and_no_temporaries(place):
    before = contents(place / "run")
    script = [*SCRIPT, *SMALL, "--realizations", "16", "-o", "run"]
    command = ["bash", "-c", 'ulimit -f 4; exec "$@"', "-", *script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "finished rows are safe" in done.stderr.splitlines()[-1]
    after = contents(place / "run")
    assert {name: after[name] for name in before if name != "_sweep.toml"} == {
        name: content for name, content in before.items() if name != "_sweep.toml"
    }
    assert not list(Path("run").glob("*.tmp"))


@pytest.mark.parametrize(("arguments", "code"), [("list model", 2), ("status nowhere", 2), ("--version", 0)])
def test_the_script_hands_the_exit_code_to_the_shell(arguments, code, place):
    done = subprocess.run([*SCRIPT, *arguments.split()], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == (code > 0)


@pytest.mark.slow
def test_a_reader_that_hangs_up_is_no_error_of_ours(place):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*SCRIPT, "list", "models"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert len(done.stderr.splitlines()) == 1
