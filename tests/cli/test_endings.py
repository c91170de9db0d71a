"""How a process ends: at once, with its output whole, whatever threads still do."""

import gc
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import SCRIPT
from stored_runs import curves_run

from sweepjax.store.chunkfile import in_memory

# The rows are read as a script of a user's would read them, which ends as Python ends.
READ = "from sweepjax.store.store import Store; from sweepjax.store.verify import verify; verify(Store.open({path!r}))"
WAITING = "import threading, time; threading.Thread(target=time.sleep, args=(3600,)).start()"
CALLS = 200


def test_a_command_waits_for_no_thread_and_loses_no_line():
    code = SCRIPT[-1].replace("import sys;", f"import sys; {WAITING};")
    command = [*SCRIPT[:-1], code, "list", "models"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    assert done.stdout.splitlines()[0].startswith("deep_diagonal")


def test_the_exit_code_of_a_command_is_that_of_its_process(tmp_path):
    assert subprocess.run([*SCRIPT, "status", tmp_path], capture_output=True, check=False).returncode == 2


def test_pyarrow_holds_on_to_nothing_of_pythons_once_a_file_is_in_memory():
    content = np.frombuffer(pq_file(), np.uint8)
    gone = weakref.ref(content)
    file = in_memory(content)
    del content
    gc.collect()
    assert gone() is None
    assert pq.ParquetFile(file).read().num_rows == 3


def pq_file():
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": [1, 2, 3]}), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.slow
def test_no_process_that_reads_rows_aborts_beside_a_load(tmp_path):
    path = curves_run(tmp_path / "run")
    command = [sys.executable, "-c", READ.format(path=str(path))]
    # The calls are each other's load, too.
    with ExitStack() as load, ThreadPoolExecutor(4) as calls:
        for _ in range(3):
            busy = load.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            load.callback(busy.kill)
        ended = [calls.submit(subprocess.run, command, check=False) for _ in range(CALLS)]
        codes = [each.result().returncode for each in ended]
    assert codes == [0] * CALLS
