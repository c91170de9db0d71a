"""How a sweep is computed: what the options of `run` say that changes nothing in its rows."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from ._options import value

if TYPE_CHECKING:
    from sweepjax.engine.engine import Engine
    from sweepjax.executors import Executor
    from sweepjax.run import Part
    from sweepjax.sweep.sweep import Sweep
    from sweepjax.target import Target

DEVICES = ("cpu", "gpu", "tpu")


class How(NamedTuple):
    """Where and in what portions a sweep is computed, and how far."""

    engine: "Engine"
    execute: "Executor"
    part: "Part"
    chunk: int  # rows; 0: automatic
    target: "Target | None"
    every: float = math.inf  # seconds between two states of what is under way
    most: int = 0  # realizations of a point of an adaptive sweep; 0: they are decided already


def part(text: str) -> "Part":
    """Return the share of the chunks that K/N means."""
    from sweepjax.run import Part  # noqa: PLC0415

    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise ValueError(f"--part {text!r} is not understood; give K/N with 1 <= K <= N, such as 1/8")
    return Part(int(number), int(of))


def engine(batch: str, device: str | None) -> "Engine":
    """Return the engine of a kind of device, with that many lanes."""
    from sweepjax.engine.engine import Engine  # noqa: PLC0415
    from sweepjax.plugins import unknown  # noqa: PLC0415

    if device is not None and device not in DEVICES:
        raise ValueError(unknown("device", device, [*DEVICES]))
    if batch != "auto" and not (batch.isdecimal() and int(batch) >= 1):
        raise ValueError(f"--batch {batch!r} is not understood; give auto, or a whole number from 1")
    return Engine(device or "", 0 if batch == "auto" else int(batch))


def chunk_rows(text: str | None) -> int:
    """Return the rows of a chunk, 0 for the default."""
    rows = 0 if text is None else value("--chunk", text, int)
    if text is not None and rows < 1:
        raise ValueError(f"--chunk {text} is not allowed; give a whole number from 1")
    return rows


def every(text: str | None, execute: "Executor") -> float:
    """Return the seconds between two states of what is under way, which only this process keeps."""
    from sweepjax.executors.local import Local  # noqa: PLC0415
    from sweepjax.run import EVERY  # noqa: PLC0415

    if text is None:
        return EVERY
    if not isinstance(execute, Local):
        raise ValueError("--checkpoint is for rows that this process computes, not for another executor; leave it out")
    seconds = value("--checkpoint", text, float)
    if not seconds >= 0:
        raise ValueError(f"--checkpoint {text} is not allowed; give seconds, or 0 to keep nothing of what is under way")
    return seconds or math.inf


def executor(name: str, options: dict[str, str | None]) -> "Executor":
    """Return the executor of a name, with those of the options that it knows."""
    from sweepjax.plugins import find  # noqa: PLC0415
    from sweepjax.plugins import options as options_of  # noqa: PLC0415

    cls = find("executors", name)
    known = options_of(cls)
    for option in ("scheduler", "workers"):
        if options[option] is not None and option not in known:
            advice = "leave it out, or give --executor dask"
            raise ValueError(f"--{option} means nothing to the executor {name!r}; {advice}")
    given: dict[str, Any] = {option: text for option, text in options.items() if text is not None and option in known}
    if "workers" in given:
        given["workers"] = value("--workers", given["workers"], int)
        if given["workers"] < 1:
            raise ValueError(f"--workers {given['workers']} is not allowed; give a whole number from 1")
    return cls(**given)


def is_adaptive(options: Mapping[str, Any], sweep: "Sweep") -> bool:
    """Whether each point is to have the draws that it needs."""
    from sweepjax.sweep.adaptive import Adaptive  # noqa: PLC0415

    return options["adaptive"] is not None or isinstance(sweep, Adaptive)


def adaptive(options: Mapping[str, Any], sweep: "Sweep", how: How) -> tuple["Sweep", How]:
    """Return the sweep with the rule that the options give, and the most realizations of a point."""
    from sweepjax.sweep.adaptive import Adaptive, Rule, uncounted  # noqa: PLC0415
    from sweepjax.target import Target  # noqa: PLC0415

    if options["target_se"] is not None:
        raise ValueError("--adaptive and --target-se are two rules; give one of them")
    if how.part.of > 1:
        raise ValueError("--adaptive needs the rows of every part; leave --part out")
    most = options["max_realizations"]
    if options["adaptive"] is None and most is None:
        return sweep, how
    if most is None:
        raise ValueError("--adaptive COLUMN=SE and --max-realizations R need each other; give both")
    found = Adaptive.of(sweep, Rule.parse(options["adaptive"])) if options["adaptive"] is not None else sweep
    assert isinstance(found, Adaptive)
    target = Target(*found.rule, value("--max-realizations", most, int))
    target.check(sweep)
    return uncounted(found), how._replace(most=target.realizations)


def target(text: str | None, most: str | None, sweep: "Sweep") -> "Target | None":
    """Return the target that two options describe, if they are given."""
    if text is None and most is None:
        return None
    from sweepjax.target import Target  # noqa: PLC0415

    if text is None or most is None:
        raise ValueError("--target-se COLUMN=SE and --max-realizations R need each other; give both")
    column, equals, se = (word.strip() for word in text.partition("="))
    if not (column and equals and se):
        raise ValueError(f"--target-se {text!r} is not understood; write --target-se COLUMN=SE")
    target = Target(column, value("--target-se", se, float), value("--max-realizations", most, int))
    target.check(sweep)
    return target
