import dataclasses
import json

import numpy as np
import pytest

from sweepjax.columns import labels
from sweepjax.identity import describe, digest, folded, name_of
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Chunk, Family, Task, plugin


@plugin
class Note:
    text: str = "100 % of it"
    width: int = 3
    weight: float = 1.0


def task(weight=1.0, seed=0, rate=0.5):
    return Task(Note(weight=weight), Note(text="{}", weight=rate), seed, (0.0, 1e-300))


FAMILIES = [
    [task()],
    [task(), task()],
    [task(weight) for weight in (0.1, 1e-300, 1e22, -0.0)],
    [task(seed=seed) for seed in (0, 2**32 - 1)],
    [task(weight, seed, rate) for weight in (1.0, 2.0) for seed in (5, 6) for rate in (0.1, 1 / 3)],
    [task(1), task(True), task(2.0)],
]


def described(task):
    values = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    values = {name: value for name, value in values.items() if name != "stop" or value}
    return values | {kind: {"name": name_of(Note)} | dataclasses.asdict(values[kind]) for kind in ("model", "solver")}


def unfolded(value, place):
    if not isinstance(value, dict):
        return value
    return value["each"][place] if value.keys() == {"each"} else {key: unfolded(value[key], place) for key in value}


@pytest.mark.parametrize("tasks", FAMILIES)
def test_the_identity_of_a_family_is_the_digest_of_what_describes_its_tasks(tasks):
    assert Family(tuple(tasks)).id == digest([described(each) for each in tasks])


@pytest.mark.parametrize("tasks", FAMILIES)
def test_a_description_says_what_every_task_is(tasks):
    told = json.loads(Family(tuple(tasks)).description)
    assert [unfolded(told, place) for place in range(len(tasks))] == json.loads(json.dumps(list(map(described, tasks))))


def test_what_all_tasks_have_in_common_is_described_once():
    assert folded([task(1.0), task(2.0)])["model"] == {
        "name": name_of(Note),
        "text": "100 % of it",
        "width": 3,
        "weight": {"each": [1.0, 2.0]},
    }


def test_the_tasks_of_a_family_are_stacked_once():
    family = Family((task(1.0, 3), task(2.0, 4)))
    assert family.stacked is family.stacked
    assert (family.stacked.model.weight.tolist(), family.stacked.seed.tolist()) == ([1.0, 2.0], [3, 4])
    assert (family.stacked.model.width, family.stacked.solver.text) == (3, "{}")


def test_labels_are_the_fields_of_the_task_of_each_row():
    family = next(Sweep().replaced(n=10, d=4, sigma="1,2,4", seed="7,8", init_bias="-1,0").families())
    told = labels(Chunk(family, 5, 41))
    for row, place in enumerate(range(5, 41)):
        (realization, which), values = divmod(place, 12), {name: told[name][row] for name in told}
        model, solver, seed = family.tasks[which].model, family.tasks[which].solver, family.tasks[which].seed
        assert values == {
            **{"model": "logistic", "solver": "limit", "lam": 0.4, "seed": seed, "realization": realization},
            **{name: value for each in (model, solver) for name, value in describe(each).items() if name != "name"},
        }


def test_labels_have_the_types_of_their_fields():
    family = next(Sweep().replaced(n=10, d=4, sigma="1,2").families())
    kinds = {name: values.dtype.kind for name, values in labels(Chunk(family, 0, 3)).items()}
    assert [kinds[name] for name in ("model", "lam", "n", "sigma", "loss", "seed")] == ["U", "f", "i", "f", "U", "i"]
    assert labels(Chunk(family, 0, 3))["seed"].dtype == np.int64
