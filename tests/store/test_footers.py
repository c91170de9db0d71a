import json
import sys

import pyarrow.parquet as pq
from tampering import chunks, rewritten

from sweepjax.columns import labels
from sweepjax.identity import folded
from sweepjax.store.footers import MOST_TASKS
from sweepjax.store.store import Store
from sweepjax.store.verify import verify
from sweepjax.sweep.sweep import Sweep

LARGE = Sweep().replaced(solver="probe:Bits", n=20, lam=0.4, sigma=f"1:2@{MOST_TASKS + 1}", realizations=2)


def large_run(path, **told):
    store = Store(path, LARGE, 600).create()
    for chunk in LARGE.chunks(600):
        store.write(chunk, labels(chunk))
        if told:
            rewritten(store.file(chunk), **told)
    return store


def test_the_footer_of_a_large_family_describes_the_tasks_of_its_own_rows(tmp_path):
    footers = [pq.read_metadata(file).metadata for file in chunks(large_run(tmp_path / "run").path)]
    told = [json.loads(footer[b"sweepjax.family"])["model"]["sigma"]["each"] for footer in footers]
    rows = [list(pq.read_table(file)["sigma"].to_pylist()) for file in chunks(tmp_path / "run")]
    assert told == rows
    assert {footer[b"sweepjax.tasks"] for footer in footers} == {b"1001"}


def test_a_large_family_is_verified_whether_footers_describe_it_whole_or_in_part(tmp_path):
    family = next(LARGE.families())
    for store in (large_run(tmp_path / "part"), large_run(tmp_path / "whole", family=family.description)):
        assert (verify(store).faults, verify(store).missing) == ([], 0)


def test_the_tasks_of_other_rows_are_not_those_of_a_large_family(tmp_path):
    store = large_run(tmp_path / "run")
    rewritten(chunks(store.path)[0], family=json.dumps(folded(next(LARGE.families()).tasks[1:601])))
    assert ["describes other tasks" in fault.what for fault in verify(store).faults] == [True]


def test_a_large_family_is_checked_without_its_plug_ins_as_far_as_its_footers_go(tmp_path, monkeypatch):
    path = large_run(tmp_path / "run").path
    monkeypatch.setitem(sys.modules, "probe", None)
    unplugged = Store.open(path)
    assert "cannot import 'probe:Bits'" in unplugged.unplugged
    assert (verify(unplugged).faults, verify(unplugged).missing, verify(unplugged).rows) == ([], 0, 2002)
