"""What the methods of a plug-in from outside must return, tried on the shapes of one row before anything is compiled.

What is wrong is said in one sentence, with the file and the line where it went wrong.
"""

import inspect
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sweepjax.columns import CLOCKS, FIRST
from sweepjax.engine.facts import facts_of, unsought
from sweepjax.engine.kernel import clock_of
from sweepjax.engine.looking import watches
from sweepjax.engine.one_shape import check_shapes
from sweepjax.engine.settings import settled
from sweepjax.engine.shapes import Method, alike, column, columns, described, numbers, scalar, trainable
from sweepjax.engine.widths import check_padding
from sweepjax.keys import realization_keys
from sweepjax.observed import observables_of
from sweepjax.plugins import blame, defined, outside, takes, unknown
from sweepjax.sweep.contract import missing
from sweepjax.sweep.stop import Stop
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Moment, Problem, Task, Trajectory, field_types

TRIED = 64  # families that are tried, each of other shapes
TIME: Any = jax.ShapeDtypeStruct((), np.float64)


class Source(NamedTuple):
    """Columns of one origin."""

    origin: str  # in words
    place: Any  # the class, method or function to look at
    names: list[str]


def check(sweep: Sweep) -> None:
    """Try the plug-ins of a sweep that are from outside: all of them in its first family, those with shapes in others.

    Raises:
        ValueError: one of them fails, or returns what cannot be used; or fields of a model do not fit each other.
    """
    if hasattr(sweep.model_class, "check"):
        for family in sweep.families():
            family.tasks[0].model.check()
    theirs = outside(sweep.model_class) or outside(sweep.solver_class)
    if not (sweep.observables or sweep.stop or theirs):
        return
    task, tried = None, set[Any]()
    try:
        with settled():
            for family in islice(sweep.families(), TRIED if theirs else 1):
                first, task = task is None, family.tasks[0]
                problem, sources = _of_model(task)
                if (shape := jax.tree.structure(task.solver)) in tried:
                    continue
                tried.add(shape)
                sources.append(_of_solver(task, problem))
                if first:
                    seen = [*_of_facts(task, problem), *_of_observables(task, problem)]
                    found = [*_labels(task), *sources, *seen]
                    _check_names(found)
                    _check_stop(task, problem)
                    check_padding(task)
                    check_shapes(sweep)
    except Exception as error:
        sentence = blame(error) or (_lack(error, task.model) if task else "")
        if sentence:
            raise ValueError(sentence) from error
        raise


def _labels(task: Task) -> Iterator[Source]:
    """Yield the columns that every row has, those that readers of rows take for such, and the fields."""
    plugins = task.model, task.solver
    fields = {name for plugin in plugins for name in field_types(type(plugin))}
    yield Source("a label of the rows", None, [name for name in FIRST if name not in fields])
    yield Source("a clock", None, [*CLOCKS])
    yield Source("what --stop says of a row", None, ["stopped"])
    for plugin in plugins:
        yield Source(f"a field of {type(plugin).__name__}", type(plugin), [*field_types(type(plugin))])


def _of_model(task: Task) -> tuple[Problem, list[Source]]:
    """Try the methods of a model as its solver uses them; return what the solver is given, and the columns of each."""
    cls, solver, model, sources = type(task.model), task.solver, _traced(task.model), list[Source]()
    seed = jax.ShapeDtypeStruct((), np.uint32)
    keys = jax.eval_shape(realization_keys, model, seed, seed)
    sample, init = Method("models", cls, "sample"), Method("models", cls, "init")
    data = numbers(sample, sample.shapes(model, keys.data))
    start = numbers(init, init.shapes(model, keys.init, data))
    problem = Problem(model, data, start, keys.batches)
    if hasattr(solver, "needs") and solver.needs in ABILITIES:
        ABILITIES[solver.needs](problem)
    metrics, facts = Method("models", cls, "metrics"), Method("models", cls, "facts")
    if solver.clock != "none":
        sources.append(_source(metrics, metrics.shapes(model, start, data), scalars=True))
    if hasattr(cls, "facts") or hasattr(cls, "search"):
        sources.append(_source(facts, facts.traced(lambda problem: facts_of(problem, unsought(problem)), problem)))
    if solver.clock != "none" and watches(task.model):
        crossings = Method("models", cls, "crossings")
        sources.append(_source(crossings, crossings.shapes(model, start, data), scalars=True))
    return problem, sources


def _check_loss(problem: Problem) -> None:
    cls = type(problem.model)
    method, start = Method("models", cls, "training_loss"), trainable(Method("models", cls, "init"), problem.start)
    scalar(method, method.shapes(problem.model, start, problem.data), jnp.floating, "one real number")
    method.traced(lambda model, data, start: jax.grad(model.training_loss)(start, data), *problem[:3])


def _check_rows(problem: Problem) -> None:
    method = Method("models", type(problem.model), "signed_rows")
    rows = method.shapes(problem.model, problem.data)
    if not (hasattr(rows, "dtype") and jnp.issubdtype(rows.dtype, jnp.floating) and len(rows.shape) == 2 and rows.size):
        raise method.wrong(f"returns {described(rows)} instead of a matrix of real floats")


def _check_solution(problem: Problem) -> None:
    prepare, solution = (Method("models", type(problem.model), name) for name in ("prepare", "solution"))
    prepared = numbers(prepare, prepare.shapes(problem.model, problem.start, problem.data))
    alike(solution, solution.shapes(problem.model, prepared, TIME), problem.start, "the start")


ABILITIES = {"training_loss": _check_loss, "signed_rows": _check_rows, "solution": _check_solution}


def _of_solver(task: Task, problem: Problem) -> Source:
    """Try the methods of a solver and its stages, and return its columns."""
    cls, solver = type(task.solver), _traced(task.solver)
    if hasattr(cls, "view"):
        problem = problem._replace(view=Method("solvers", cls, "view").shapes(solver, problem))
    init, stages, waits, info = (Method("solvers", cls, name) for name in ("init", "stages", "waits", "info"))
    state = numbers(init, init.shapes(solver, problem))
    for number in range(_stages(stages, task.solver)):
        after = stages.traced(lambda solver, *rest, k=number: solver.stages[k](*rest), solver, problem, state, TIME)
        if outside(cls):  # ours may return a wider integer where the pool keeps a narrow one
            alike(stages, after, state, "the state of init")
    scalar(waits, waits.shapes(solver, state, TIME), jnp.integer, "a whole number")
    if solver.clock != "none":
        params = Method("solvers", cls, "params")
        alike(params, params.shapes(solver, problem, state, TIME), problem.start, "the start of the model")
    return _source(info, info.shapes(solver, problem, state))


def _stages(method: Method, solver: Any) -> int:
    """Return the number of stages, all of which can be called."""
    found = solver.stages
    if not (isinstance(found, tuple) and all(callable(stage) for stage in found)):
        raise method.wrong("is no tuple of functions")
    for stage in found:
        if not takes(stage, 3):
            raise method.wrong(f"holds a function that takes {inspect.signature(stage)}")
    return len(found)


def _of_observables(task: Task, problem: Problem) -> Iterator[Source]:
    """Try the observables on one recorded time and on all, and yield their columns."""
    seen = {name: each for name, each in observables_of(task).items() if not hasattr(each, "fact")}
    if not seen:
        return
    times = jax.ShapeDtypeStruct((len(task.times),), np.float64)
    clock = jax.eval_shape(clock_of, _traced(task.solver), times)
    metrics = Method("models", type(problem.model), "metrics").shapes(problem.model, problem.start, problem.data)
    for name, observable in seen.items():
        measure, finish = (Method("observables", type(observable), each) for each in ("measure", "finish"))
        kept = measure.shapes(_traced(observable), problem, Moment(TIME, problem.start, metrics))
        trajectory = Trajectory(clock, *(_recorded(each, len(task.times)) for each in (metrics, kept)))
        last = finish if hasattr(observable, "finish") else measure
        whole = finish.shapes(_traced(observable), problem, trajectory) if last is finish else trajectory.kept
        shape = column(last, whole, "the column").shape
        if shape[:1] != (len(task.times),):
            raise last.wrong(
                f"returns the shape {shape}, which does not begin with the {len(task.times)} recorded times"
            )
        yield Source(f"the observable {name}", type(observable), [name])


def _check_stop(task: Task, problem: Problem) -> None:
    """Refuse to end a training by what is not known, as one number, at every recorded time."""
    if not task.stop:
        return
    metrics = Method("models", type(problem.model), "metrics").shapes(problem.model, problem.start, problem.data)
    moment = Moment(TIME, problem.start, metrics)
    clock = jax.eval_shape(clock_of, _traced(task.solver), TIME)
    seen = {
        name: Method("observables", type(each), "measure").shapes(_traced(each), problem, moment)
        for name, each in observables_of(task).items()
        if hasattr(each, "measure") and not hasattr(each, "finish")
    }
    known = [name for name, value in (clock | metrics | seen).items() if getattr(value, "shape", None) == ()]
    stop = Stop.parse(task.stop)
    for name in (each for each in stop.columns if each not in known):
        several = f"{name!r} is not one number at each recorded time; take another column"
        raise ValueError("--stop: " + (several if name in task.observables else unknown("column", name, known)))
    if stop.last > len(task.times):
        raise ValueError(f"--stop: last {stop.last} never comes, as {len(task.times)} times are recorded; record more")


def _of_facts(task: Task, problem: Problem) -> Iterator[Source]:
    """Try the observables that are of the dataset alone, and yield their columns."""
    for name, observable in observables_of(task).items():
        if hasattr(observable, "fact"):
            method = Method("observables", type(observable), "fact")
            column(method, method.shapes(_traced(observable), problem), "the column")
            yield Source(f"the observable {name}", type(observable), [name])


def _recorded(tree: Any, count: int) -> Any:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype), tree)


def _traced(plugin: Any) -> Any:
    """Return a plug-in whose float fields are shapes."""
    return jax.tree.map(lambda leaf: TIME, plugin)


def _source(method: Method, found: Any, *, scalars: bool = False) -> Source:
    return Source(
        f"a column of {method.cls.__name__}.{method.name}", method.place, columns(method, found, scalars=scalars)
    )


def _check_names(sources: Sequence[Source]) -> None:
    """Refuse two columns of one name; whoever is from outside is to rename his."""
    taken: dict[str, Source] = {}
    for source in sources:
        for name in source.names:
            if name in taken:
                other = taken[name]
                mine, others = (other, source) if other.place and not outside(source.place) else (source, other)
                where = f" ({defined(others.place)})" if others.place and outside(others.place) else ""
                says = f"{name!r} is {mine.origin}, and {others.origin} too{where}; rename it"
                raise ValueError(f"{defined(mine.place)}: {says}")
            taken[name] = source


def _lack(error: Exception, model: Any) -> str:
    """Return which method of the user's model is missing, if that is what went wrong."""
    if not (isinstance(error, AttributeError) and type(error.obj) is type(model) and outside(type(model))):
        return ""
    cls, name = type(model), str(error.name)
    return f"{defined(cls)}: model {cls.__name__} lacks {name}, which is needed here; {missing('models', cls, name)}"
