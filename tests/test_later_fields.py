"""A field that a plug-in got later is no part of a sweep that leaves it at its default."""

import dataclasses

import sweepjax as sj
from sweepjax.identity import describe
from sweepjax.keys import fingerprint
from sweepjax.sweep.sweep import Sweep


@sj.plugin
class Before:
    n: int = sj.parameter(3)


@sj.plugin
class After:
    n: int = sj.parameter(3)
    extra: int = sj.parameter(0, later=True)


for cls in (Before, After):
    cls.__module__, cls.__qualname__ = "sweepjax.models.same", "Same"


def test_left_at_its_default_it_changes_neither_identity_nor_draws():
    assert describe(After()) == describe(Before())
    assert fingerprint(After()) == fingerprint(Before())


def test_used_it_changes_both():
    used = dataclasses.replace(After(), extra=1)
    assert describe(used) == describe(Before()) | {"extra": 1}
    assert fingerprint(used) != fingerprint(Before())


def test_a_warm_up_is_another_sweep_and_none_is_the_one_from_before():
    plain, none, some = (
        Sweep(solver="adamw", axes=axes, until=10.0) for axes in ((), (("warmup", "0"),), (("warmup", "0,5"),))
    )
    assert plain.id == none.id == "e835f9eedf97"
    assert some.id != plain.id
    assert next(plain.families()).id == "a8790bff33f8"
