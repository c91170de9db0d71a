"""Runs kept in a bucket, by HTTP from a server on this machine that keeps to the conditions of a put."""

import logging
import re
import signal
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from command import SCRIPT
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem
from sweepjax_cli import app
from tampering import copied, everything, flipped

import sweepjax as sj
from sweepjax.store import paths
from sweepjax.store.directory import Conflict
from sweepjax.store.paths import Overtaken, locate, tag
from sweepjax.store.store import Store
from sweepjax.sweep.sweep import Sweep

BUCKET = "bucket"
PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
PROBE = ["run", "--n", "20", "--lambda", "0.5", "--solver", "probe:Bits", "--chunk", "8"]
WHOLE = [*PROBE, "--realizations", "44"]
SETTINGS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}


@pytest.fixture(scope="module")
def client():
    """A client of the server that is not ours; where both are is told by the environment."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, text in SETTINGS.items():
            patch.setenv(name, text)
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        S3FileSystem.clear_instance_cache()
        reached = boto3.client("s3")
        reached.create_bucket(Bucket=BUCKET)
        yield reached
        reached.close()
    server.stop()


@pytest.fixture
def elsewhere(client, monkeypatch):
    """Clients made from now on are new, and forgotten again."""
    S3FileSystem.clear_instance_cache()
    yield monkeypatch
    S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A directory of this machine: five files of 8 rows and one of 4."""
    path = tmp_path_factory.mktemp("whole") / "run"
    assert app([*WHOLE, "-o", str(path)]) == 0
    return path


@pytest.fixture
def url(client, request):
    """A place in the bucket of the test's own."""
    return f"s3://{BUCKET}/{request.node.name}"


@pytest.fixture
def filled(url, client, whole):
    """The same place, holding what `whole` holds."""
    for name, content in everything(whole).items():
        upload(client, url, name, content)
    return url


def key(url, name=""):
    return f"{url.removeprefix(f's3://{BUCKET}/')}/{name}"


def upload(client, url, name, content):
    client.put_object(Bucket=BUCKET, Key=key(url, name), Body=content)


def objects(client, url):
    """What is below a URL, byte for byte, as the other client sees it."""
    found = client.list_objects_v2(Bucket=BUCKET, Prefix=key(url)).get("Contents", [])
    return {
        each["Key"].removeprefix(key(url)): client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read()
        for each in found
    }


def chunk_names(path):
    return sorted(file.name for file in path.glob("*.parquet"))


def last_line(capsys):
    return capsys.readouterr().err.splitlines()[-1]


def refused(capsys, arguments, code, *words):
    """Whether a command ends with this code and one sentence that has these words."""
    capsys.readouterr()
    assert app(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    sentence = err.splitlines()[-1]
    assert sentence.startswith("sweepjax: ")
    assert "Traceback" not in err
    for word in words:
        assert word in sentence, sentence
    return True


@pytest.mark.slow
def test_a_bucket_holds_the_files_of_a_local_run_bit_for_bit(url, client, whole, capsys):
    assert app([*WHOLE, "-o", url]) == 0
    assert capsys.readouterr().out == f"{url}\n"
    assert objects(client, url) == everything(whole)


def test_pandas_reads_it_in_one_line_and_so_do_we(filled, whole, client):
    rows = pd.read_parquet(whole)
    pd.testing.assert_frame_equal(sj.read(filled), rows, check_exact=True)
    pd.testing.assert_frame_equal(pd.read_parquet(filled), rows, check_exact=True)
    options = {"endpoint_url": client.meta.endpoint_url}
    pd.testing.assert_frame_equal(pd.read_parquet(filled, storage_options=options), rows, check_exact=True)
    pd.testing.assert_frame_equal(sj.read(f"{filled}/{chunk_names(whole)[0]}"), rows[:8], check_exact=True)


def test_the_same_command_again_puts_nothing(filled, client, capsys):
    before = client.list_objects_v2(Bucket=BUCKET, Prefix=key(filled))["Contents"]
    assert app([*WHOLE, "-o", filled]) == 0
    assert "44 rows (44 of them stored before)" in last_line(capsys)
    assert client.list_objects_v2(Bucket=BUCKET, Prefix=key(filled))["Contents"] == before


def test_what_is_missing_is_filled_in(filled, client, whole):
    for name in chunk_names(whole)[::2]:
        client.delete_object(Bucket=BUCKET, Key=key(filled, name))
    assert app(["run", f"{filled}/_sweep.toml", "-o", filled]) == 0
    assert objects(client, filled) == everything(whole)


def test_more_realizations_extend_a_run(url, client, whole):
    for count in ("5", "44"):
        assert app([*PROBE, "--realizations", count, "-o", url]) == 0
    assert objects(client, url) == everything(whole)


def test_another_sweep_is_refused(filled, client, whole, capsys):
    assert refused(capsys, [*WHOLE, "--sigma", "2", "-o", filled], 4, filled, "another sweep", "sigma")
    assert objects(client, filled) == everything(whole)


@pytest.mark.parametrize(("name", "code"), [("notes.txt", 4), ("other.parquet", 5)])
def test_a_place_with_other_files_is_left_alone(name, code, url, client, capsys):
    upload(client, url, name, b"mine")
    assert refused(capsys, [*WHOLE, "-o", url], code, name)
    assert objects(client, url) == {name: b"mine"}


def test_names_that_mean_something_to_patterns_and_marks_of_directories_do_no_harm(client, whole):
    url = f"s3://{BUCKET}/a [1]*"
    upload(client, url, "", b"")
    assert app([*WHOLE, "-o", url]) == 0
    held = objects(client, url)
    assert held.pop("") == b""
    assert held == everything(whole)
    assert app(["verify", url]) == 0
    assert len(sj.read(url)) == 44


def opened(url, realizations=20, sigma="1"):
    sweep = Sweep().replaced(n=20, lam="0.5", solver="probe:Bits", realizations=realizations, sigma=sigma)
    return Store(locate(url), sweep, 8)


def chunk_of(store, rows):
    return next(store.sweep.replaced(realizations=rows).chunks(8))


def columns(rows):
    return {"realization": np.arange(rows)}


def meanwhile(monkeypatch, act):
    """Let another writer act between the look at a place and the put."""
    encode = "sweepjax.store.store.encode"
    from sweepjax.store import store  # noqa: PLC0415

    own = store.encode

    def acting(*arguments):
        monkeypatch.setattr(encode, own)
        act()
        return own(*arguments)

    monkeypatch.setattr(encode, acting)


def test_a_bucket_itself_holds_a_run(client):
    client.create_bucket(Bucket="whole")
    store = opened("s3://whole/").create()
    store.write(chunk_of(store, 3), columns(3))
    assert len(sj.read("s3://whole")) == 3


@pytest.mark.parametrize("before", [0, 1])
def test_a_longer_file_that_another_writer_puts_first_stays(before, url, monkeypatch):
    store = opened(url).create()
    if before:
        store.write(chunk_of(store, before), columns(before))
    meanwhile(monkeypatch, lambda: store.write(chunk_of(store, 5), columns(5)))
    store.write(chunk_of(store, 3), columns(3))
    assert len(sj.read(url)) == 5


def test_a_shorter_file_that_another_writer_puts_first_is_replaced(url, monkeypatch):
    store = opened(url).create()
    meanwhile(monkeypatch, lambda: store.write(chunk_of(store, 3), columns(3)))
    store.write(chunk_of(store, 5), columns(5))
    assert len(sj.read(url)) == 5


def test_of_many_writers_at_once_the_longest_file_stays(url):
    store = opened(url).create()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda rows: store.write(chunk_of(store, rows), columns(rows)), [3, 7, 1, 8, 5, 2, 6, 4]))
    assert len(sj.read(url)) == 8


def test_the_first_of_two_sweeps_keeps_the_place(url, monkeypatch):
    first, second = opened(url), opened(url, sigma="2")
    look = "sweepjax.store.store.check_free"
    monkeypatch.setattr(look, lambda path: monkeypatch.undo() or first.create())
    with pytest.raises(Conflict, match="sigma: 2 here, 1 there"):
        second.create()
    assert Store.open(url).sweep.id == first.sweep.id


def test_the_record_keeps_the_larger_number_of_realizations_of_two_writers(url, monkeypatch):
    opened(url, realizations=5).create()
    own = Store.open

    def overtaken(*arguments):
        monkeypatch.setattr(Store, "open", own)
        found = own(*arguments)
        opened(url, realizations=50).create()
        return found

    monkeypatch.setattr(Store, "open", overtaken)
    assert opened(url, realizations=20).create().sweep.realizations == 50
    assert own(url).sweep.realizations == 50


def test_two_runs_at_once_make_the_whole(url, whole):
    def run(_):
        return sj.run(0.5, n=20, solver="probe:Bits", realizations=44, out=url)

    with ThreadPoolExecutor(2) as pool:
        frames = list(pool.map(run, range(2)))
    for frame in frames:
        pd.testing.assert_frame_equal(frame, sj.read(whole), check_exact=True)


def test_an_object_is_put_only_as_long_as_it_is_as_it_was_seen(url, client):
    file = locate(url) / "x"
    paths.upload(file, b"first", "")
    seen = tag(file)
    with pytest.raises(Overtaken):
        paths.upload(file, b"second", "")
    paths.upload(file, b"second", seen)
    with pytest.raises(Overtaken):
        paths.upload(file, b"third", seen)
    assert objects(client, url) == {"x": b"second"}


def test_an_object_that_is_replaced_while_it_is_read_is_read_again(url):
    file = locate(url) / "x"
    paths.upload(file, b"first", "")
    meanwhile = iter([lambda: paths.upload(file, b"second", tag(file)), lambda: None])

    def read(parts):
        next(meanwhile)()
        return parts.read()

    assert paths.reading(read, file) == b"second"


def test_a_server_that_knows_no_conditions_is_used_as_it_is(url, client, elsewhere):
    put = S3FileSystem._pipe_file

    async def unconditional(self, path, data, **conditions):
        if conditions:
            raise OSError from ClientError({"Error": {"Code": "NotImplemented"}}, "PutObject")
        await put(self, path, data)

    elsewhere.setattr(S3FileSystem, "_pipe_file", unconditional)
    file = locate(url) / "x"
    paths.upload(file, b"first", "")
    paths.upload(file, b"second", tag(file))
    assert objects(client, url) == {"x": b"second"}


PUT = """
import sys
from sweepjax.store.paths import locate, upload
file = locate(sys.argv[1]) / "x"
print("ready", flush=True)
upload(file, bytes(48 * 2**20), "")
print("done", flush=True)
"""


@pytest.mark.slow
def test_a_put_that_is_killed_leaves_nothing(url, client):
    cut = 0
    for delay in (0.02, 0.05, 0.1):
        command = [sys.executable, "-c", PUT, f"{url}/{delay}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(delay)
            process.kill()
            cut += process.stdout.read() == ""
    assert cut
    assert all(len(content) == 48 * 2**20 for content in objects(client, url).values())
    assert len(objects(client, url)) <= 3 - cut


@pytest.mark.slow
def test_verify_finds_a_flipped_byte_and_repair_lets_run_refill_it(filled, client, whole, capsys):
    name = chunk_names(whole)[1]
    content = (whole / name).read_bytes()
    for byte in (len(content) // 2, len(content) - 1):
        upload(client, filled, name, flipped(content, byte))
        capsys.readouterr()
        assert app(["verify", filled]) == 5
        assert re.search(rf"^{name} +is damaged.*--repair removes it$", capsys.readouterr().out, re.MULTILINE)
    assert app(["verify", filled, "--repair"]) == 0
    (command,) = re.findall(r"`sweepjax (run .*)`", capsys.readouterr().out)
    assert name not in objects(client, filled)
    assert app(command.split()) == 0
    assert objects(client, filled) == everything(whole)


def test_a_damaged_file_is_named_by_its_url_while_it_is_read(filled, client, whole, capsys):
    name = chunk_names(whole)[1]
    content = (whole / name).read_bytes()
    told = pq.read_metadata(whole / name)
    pages = told.row_group(0).column(told.schema.names.index("bits"))
    upload(client, filled, name, flipped(content, pages.dictionary_page_offset + pages.total_compressed_size - 2))
    assert refused(capsys, ["reduce", filled, "mean", "--column", "bits"], 5, f"{filled}/{name}", "damaged")
    upload(client, filled, name, content[:100])
    assert refused(capsys, ["status", filled], 5, f"{filled}/{name}", "damaged")


@pytest.mark.slow
def test_rows_are_computed_again_from_a_bucket(filled, capsys):
    assert app(["verify", filled, "--recheck", "6"]) == 0
    assert "computed again: 6 rows, values that differ: 0" in capsys.readouterr().out


@pytest.mark.slow
def test_runs_are_merged_from_here_and_from_a_bucket_into_a_bucket(filled, client, whole, tmp_path, capsys):
    names = chunk_names(whole)
    for name in names[3:]:
        client.delete_object(Bucket=BUCKET, Key=key(filled, name))
    here = copied(whole, tmp_path / "here", names[2:])
    target = f"{filled}-merged"
    capsys.readouterr()
    assert app(["merge", filled, str(here), "-o", target]) == 0
    assert capsys.readouterr() == (f"{target}\n", "sweepjax: 44 of 44 rows in 6 files\n")
    assert objects(client, target) == everything(whole)
    assert app(["merge", target, "-o", str(tmp_path / "back")]) == 0
    assert everything(tmp_path / "back") == everything(whole)
    assert app(["merge", str(here), "-o", filled]) == 0
    assert objects(client, filled) == everything(whole)


def test_status_and_reduce_take_urls(filled, whole, capsys):
    told = {}
    for source in (filled, str(whole)):
        capsys.readouterr()
        assert app(["status", source]) == 0
        assert app(["reduce", source, "mean", "--column", "bits"]) == 0
        told[source] = capsys.readouterr().out
    assert told[filled] == told[str(whole)]
    assert "44 of 44, 100 %" in told[filled]


def test_rows_here_and_in_a_bucket_are_not_read_together(filled, whole, capsys):
    assert refused(capsys, ["reduce", filled, str(whole), "mean", "--column", "bits"], 2, "`sweepjax merge` joins")


COMMANDS = [[*WHOLE, "-o"], ["status"], ["verify"], ["merge", "-o", "c"], ["reduce"]]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_server_that_does_not_answer_is_a_fault_in_one_sentence(command, elsewhere, tmp_path, capsys):
    elsewhere.chdir(tmp_path)
    elsewhere.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    elsewhere.setenv("AWS_MAX_ATTEMPTS", "1")
    elsewhere.setattr(S3FileSystem, "retries", 1)
    url = f"s3://{BUCKET}/run"
    rest = ["mean"] if command == ["reduce"] else []
    assert refused(capsys, [*command, url, *rest], 1, f"{url} cannot be reached", "127.0.0.1:9", "AWS_ENDPOINT_URL")


def test_no_credentials_are_a_fault_in_one_sentence(elsewhere, capsys):
    elsewhere.delenv("AWS_ACCESS_KEY_ID")
    elsewhere.delenv("AWS_SECRET_ACCESS_KEY")
    url = f"s3://{BUCKET}/run"
    assert refused(capsys, [*WHOLE, "-o", url], 1, f"{url} cannot be reached", "credentials")


def test_a_bucket_that_is_not_there_is_a_fault_and_is_not_made(client, capsys):
    assert refused(capsys, [*WHOLE, "-o", "s3://nowhere/run"], 1, "s3://nowhere/run cannot be reached", "bucket")
    assert "nowhere" not in [each["Name"] for each in client.list_buckets()["Buckets"]]


@pytest.mark.slow
def test_a_bucket_that_stops_to_take_files_is_a_fault_and_the_run_goes_on_later(url, client, whole, elsewhere, capsys):
    put = S3FileSystem._pipe_file

    async def forbidden(self, path, data, **conditions):
        if path.endswith("8.parquet"):
            raise PermissionError("Access Denied")
        await put(self, path, data, **conditions)

    with elsewhere.context() as patch:
        patch.setattr(S3FileSystem, "_pipe_file", forbidden)
        words = (f"{url}/", "8.parquet cannot be reached: Access Denied; check")
        assert refused(capsys, [*WHOLE, "-o", url], 1, *words)
    S3FileSystem.clear_instance_cache()
    assert 1 <= len(objects(client, url)) < 7
    assert app([*WHOLE, "-o", url]) == 0
    assert objects(client, url) == everything(whole)


def test_a_place_without_a_run_says_so(url, capsys):
    assert refused(capsys, ["status", url], 2, f"{url} holds no sweep")
    assert refused(capsys, ["reduce", url, "mean"], 2, f"there is no {url}")
    assert refused(capsys, ["run", f"{url}/_sweep.toml"], 2, f"{url}/_sweep.toml does not exist")


@pytest.mark.parametrize("missing", ["upath", "s3fs"])
def test_a_missing_package_is_named_with_what_installs_it(missing, elsewhere, capsys):
    elsewhere.setitem(sys.modules, missing, None)
    elsewhere.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    assert refused(capsys, [*WHOLE, "-o", "s3://bucket/run"], 2, "pip install 'sweepjax[s3]'")


@pytest.mark.parametrize(("scheme", "package", "extra"), [("gs", "gcsfs", "gs"), ("az", "adlfs", "az")])
def test_each_kind_of_bucket_has_an_extra_of_its_own(scheme, package, extra, elsewhere, capsys):
    elsewhere.setitem(sys.modules, package, None)
    assert refused(capsys, [*WHOLE, "-o", f"{scheme}://bucket/run"], 2, f"pip install 'sweepjax[{extra}]'")
    assert any(each.startswith(package) for each in PROJECT["optional-dependencies"][extra])


@pytest.mark.parametrize("url", ["sftp://host/run", "foo://host/run", "https://host/run"])
def test_what_does_not_put_files_whole_is_refused(url, capsys):
    assert refused(capsys, [*WHOLE, "-o", url], 2, url.partition(":")[0], "s3://bucket/run")


def test_any_store_of_fsspec_that_puts_objects_whole_will_do(whole):
    store = opened("memory://run").create()
    with pytest.raises(Overtaken):
        paths.upload(store.path / "_sweep.toml", b"", "")
    for rows in (3, 8, 5):
        store.write(chunk_of(store, rows), columns(rows))
    assert len(sj.read("memory://run")) == 8
    assert store.summary()[:3] == (8, 20, 1)


def test_a_file_url_is_a_directory_of_this_machine(tmp_path, whole):
    assert app([*WHOLE, "-o", f"file://{tmp_path}/run"]) == 0
    assert everything(tmp_path / "run") == everything(whole)


@pytest.mark.parametrize("name", ["run[1]", "run*"])
def test_a_name_that_looks_like_a_pattern_is_a_name(name, url, client):
    for run in (name, "run1"):
        upload(client, url, f"{run}/_state-0.npz", b"state")
    paths.remove(locate(f"{url}/{name}/_state-0.npz"))
    assert set(objects(client, url)) == {"run1/_state-0.npz"}
    paths.remove(locate(f"{url}/{name}/_state-0.npz"))


def test_paths_of_this_machine_stay_what_they_are(tmp_path):
    for path in ("run", "a:b/c", "../x", "C:/x", str(tmp_path)):
        assert locate(path) == locate(Path(path)) == Path(path)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_goes_on_where_it_was_and_ends_the_same(number, url, client, tmp_path):
    command = ["run", "--n", "20", "--lambda", "0.5", "--realizations", "800", "--chunk", "16", "-o"]
    process = subprocess.Popen([*SCRIPT, *command, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(objects(client, url)) < 4 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (-number if number == signal.SIGKILL else 130)
    assert "Traceback" not in err
    assert 3 <= len(objects(client, url)) < 51
    assert app(["verify", url]) == 0
    assert app([*command, url]) == 0
    assert app([*command, str(tmp_path / "run")]) == 0
    assert objects(client, url) == everything(tmp_path / "run")
    assert app(["plot", url, "-o", str(tmp_path / "plot.png")]) == 0
