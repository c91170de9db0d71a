"""`python -m benchmarks.cuda`: the engine's programs, compiled for an H200 that need not be here, and what they do.

XLA compiles for CUDA without a device: `pip install jax-cuda13-plugin jax-cuda13-pjrt nvidia-cuda-nvcc`, of the release
of JAX. The result says what nothing else does before it has run: the memory of a program, how many kernels each step of
the pool launches, at how many loops the host waits for a number, and the bytes that all its kernels move, elementwise
ones and the pool's own copies included. Of what is read or written in place in all slots, that of the lanes counts.
"""

import argparse
import csv
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import topologies
from jax.sharding import SingleDeviceSharding

from benchmarks.roofline import FOLDER, circumstances, kernels, markdown, title, write
from sweepjax.engine import programs, sizes
from sweepjax.engine.engine import Engine
from sweepjax.engine.settings import settled
from sweepjax.engine.widths import rows_of
from sweepjax.presets import preset, preset_names
from sweepjax.types import Family

H200 = """
gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 threads_per_core_limit: 2048
  shared_memory_per_block: 49152 shared_memory_per_core: 233472 shared_memory_per_block_optin: 232448
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  core_count: 132 fpus_per_core: 128 block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 4800000000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 151397597184
  cuda_compute_capability { major: 9 }
  runtime_version: "13.0.0" driver_version: "13.0.0" compile_time_toolkit_version: "13.0.0" dnn_version: "9.10.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 patch: 0 }
device_description_str: "NVIDIA H200"
"""
BYTES = {"pred": 1, "s8": 1, "u8": 1, "f16": 2, "bf16": 2, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "u64": 8, "f64": 8}
FREE = ("parameter", "get-tuple-element", "tuple", "bitcast", "constant")
COMPUTATION = re.compile(r"^(?:ENTRY )?%?([\w.\-]+) \(.*\) -> .* \{")
INSTRUCTION = re.compile(r"\s+(?:ROOT )?%?([\w.\-]+) = (.*?) ([\w\-]+)\((.*)")
MISSING = "no compiler for CUDA here; pip install jax-cuda13-plugin jax-cuda13-pjrt nvidia-cuda-nvcc, of JAX's release"
LEGEND = """# The programs of a GPU, compiled without one

{lines}
A step of the pool is one kernel after the other: to enter, the stages of the solver in their order, and to leave. KB
are what its kernels read and write, a lane; those of the loops within it are apart, in one pass of each.

{steps}
"""


class Line(NamedTuple):
    """A program: how long it compiles on this machine, and the memory it takes on the device."""

    kernel: str
    lanes: int
    slots: int
    seconds: float
    GB_pool: float
    GB_besides: float


class Step(NamedTuple):
    """A step of the pool: kernels launched, loops within it, and kilobytes a lane."""

    kernel: str
    step: int
    kernels: int
    loops: int
    KB_a_lane: float
    KB_of_loops: float


class Moved(NamedTuple):
    """What instructions do: kernels, bytes, and the loops among them."""

    kernels: int
    bytes: float
    loops: list["Moved"]

    @property
    def within(self) -> list["Moved"]:
        """All loops within, and those within them."""
        return [each for loop in self.loops for each in (loop, *loop.within)]


def compiled(family: Family, lanes: int) -> tuple[Line, list[Step]]:
    """Compile the program of a family for an H200, with so many lanes."""
    task = family.tasks[0]
    shape = sizes.shape(lanes, family, Engine(device="cpu").devices)
    place = SingleDeviceSharding(_h200())
    with settled():
        row = jax.tree.map(lambda leaf: leaf[0], rows_of(family, np.arange(1)))
        arguments = *programs._arguments(task, row, shape), np.asarray(True)
        there = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype, sharding=place), arguments)
        start = time.perf_counter()
        program = (
            jax.jit(programs._advancing(task, lanes), donate_argnums=0).lower(*there).compile(programs.options("gpu"))
        )
    seconds, memory = time.perf_counter() - start, program.memory_analysis()
    held, besides = 1e-9 * memory.argument_size_in_bytes, 1e-9 * memory.temp_size_in_bytes
    line = Line(title(family), lanes, shape.slots, seconds, held, besides)
    return line, list(_steps(title(family), program.as_text(), shape))


def _h200() -> Any:
    try:
        return topologies.get_topology_desc(platform="cuda", target_config=H200, topology="1x1x1").devices[0]
    except (NotImplementedError, RuntimeError) as error:
        sys.exit(f"{MISSING} ({error})")


def _steps(kernel: str, text: str, shape: sizes.Shape) -> Iterator[Step]:
    """Read what each step does: they are the loops within the one loop of the program."""
    (turn,) = (each for each in _moved(*_computations(text), shape).loops if each.loops)
    for number, step in enumerate(turn.loops):
        moved = step.bytes, sum(loop.bytes for loop in step.within)
        yield Step(kernel, number, step.kernels, len(step.within), *(1e-3 * each / shape.lanes for each in moved))


def _computations(text: str) -> tuple[str, dict[str, list[str]]]:
    """Return the name of the first computation to run, and the instructions of each."""
    found: dict[str, list[str]] = {}
    entry = name = ""
    for line in text.splitlines():
        if start := COMPUTATION.match(line):
            name = start[1]
            found[name] = []
            entry = name if line.startswith("ENTRY") else entry
        elif line.startswith(" "):
            found.setdefault(name, []).append(line)
    return entry, found


def _moved(name: str, computations: dict[str, list[str]], shape: sizes.Shape) -> Moved:
    """Return what a computation moves: operands and results of every kernel."""
    shapes: dict[str, str] = {}
    kernels, moved, loops = 0, 0.0, []
    for line in computations[name]:
        if not (found := INSTRUCTION.match(line)):
            continue
        shapes[found[1]], operation = found[2], found[3]
        if operation == "while":
            loops.append(_moved(re.findall(r"body=%?([\w.\-]+)", line)[0], computations, shape))
        elif operation not in FREE:
            operands = re.findall(r"%([\w.\-]+)", found[4].partition("), ")[0])
            touched = [found[2], *(shapes[each] for each in operands if each in shapes)]
            kernels, moved = kernels + 1, moved + sum(_size(each, shape) for each in touched)
    return Moved(kernels, moved, loops)


def _size(text: str, shape: sizes.Shape) -> float:
    """Return the bytes of an array, or of several; of all slots, those of the lanes."""
    total = 0.0
    for kind, numbers in re.findall(r"(\w+)\[([\d,]*)\]", text):
        lengths = [int(each) for each in numbers.split(",") if each]
        size = BYTES.get(kind, 4) * float(np.prod(lengths))
        total += size * shape.lanes / shape.slots if lengths[:1] == [shape.slots] else size
    return total


def _chosen(options: argparse.Namespace) -> Iterator[tuple[str, Family]]:
    """Yield what is compiled, by name."""
    if options.presets:
        yield from ((name, preset(name).family(0)) for name in preset_names() if options.only in name)
    else:
        yield from ((title(each), each) for each in kernels(short=options.short) if options.only in title(each))


def main() -> None:
    """Compile, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cuda", description=__doc__)
    parser.add_argument("--out", type=Path, default=FOLDER / "cuda")
    parser.add_argument("--only", default="", help="kernels whose name holds this")
    parser.add_argument("--lanes", type=int, default=64)
    parser.add_argument("--presets", action="store_true", help="the first program of every preset instead")
    parser.add_argument("--short", action="store_true", help="tiny sizes: only shows that everything runs")
    options = parser.parse_args()
    lines, steps, failed = [], [], []
    if not (chosen := list(_chosen(options))):
        parser.error(f"no name holds {options.only!r}; leave --only out to compile them all")
    for name, family in chosen:
        try:
            line, found = compiled(family, options.lanes)
        except jax.errors.JaxRuntimeError as error:
            failed.append(f"{name}: {error}")
            print("FAILED", failed[-1], flush=True)
            continue
        print(name, line, flush=True)
        lines, steps = [*lines, line], [*steps, *found]
    if failed:
        sys.exit("these do not compile for a GPU:\n" + "\n".join(failed))
    what = "--presets" if options.presets else f"--only {options.only!r}"
    command = f"python -m benchmarks.cuda {what} --lanes {options.lanes}{' --short' * options.short}"
    text = LEGEND.format(lines=markdown(lines), steps=markdown(steps))
    write(options.out / "table", lines, text, circumstances(command, "none; compiled for an H200"))
    with (options.out / "steps.csv").open("w", newline="") as file:
        csv.writer(file).writerows([Step._fields, *steps])


if __name__ == "__main__":
    main()
