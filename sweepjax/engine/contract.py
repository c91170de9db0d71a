"""What the methods of a plug-in from outside must return, tried on the shapes of one row before anything is compiled.

Nothing is computed. What is wrong is said in one sentence, with the file and the line where it went wrong.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_leaves_with_path

from sweepjax.columns import CLOCKS, FIRST
from sweepjax.engine.engine import outline, through_stages
from sweepjax.engine.kernel import facts_of
from sweepjax.keys import realization_keys
from sweepjax.plugins import blame, defined, find, outside, reason
from sweepjax.sweep.contract import PROTOCOLS, wanted
from sweepjax.sweep.sweep import Sweep
from sweepjax.types import Family, Problem, Task, field_types


class Method(NamedTuple):
    """A method of a plug-in, and the protocol that says what it is for."""

    cls: Any
    name: str

    @property
    def wanted(self) -> str:
        """How it is called and what it is to do."""
        protocols = (each for each in sum(PROTOCOLS.values(), ()) if hasattr(each, self.name))
        return wanted(next(protocols), self.name)

    def wrong(self, what: str) -> ValueError:
        """Return the error that says what it returns, or why it fails."""
        function = getattr(self.cls, self.name, self.cls)
        place = function if outside(function) else self.cls
        return ValueError(f"{defined(place)}: {self.cls.__name__}.{self.name} {what}; {self.wanted}")

    def source(self, names: list[str]) -> "Source":
        """Return the columns that it returns, and where to look for them."""
        return Source(f"a column of {self.cls.__name__}.{self.name}", getattr(self.cls, self.name), names)

    def shapes(self, plugin: Any, *arguments: Any) -> Any:
        """Return the shapes and types that it returns for arguments of these shapes.

        Raises:
            ValueError: it fails.
        """
        return self.traced(lambda plugin, *arguments: getattr(plugin, self.name)(*arguments), plugin, *arguments)

    def traced(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Return the shapes and types of a function that does nothing but call it."""
        odd: list[str] = []

        def kept(*arguments: Any) -> Any:
            found = call(*arguments)
            odd.extend(_odd(found))
            return found

        try:
            return jax.eval_shape(kept, *arguments)
        except Exception as error:
            if line := blame(error, self.cls.__module__.partition(".")[0]):
                raise ValueError(f"{line}; {self.cls.__name__}.{self.wanted}") from error
            raise self.wrong(f"returns {odd[0]}" if odd else f"fails ({reason(error)})") from error


class Source(NamedTuple):
    """Columns of one origin."""

    origin: str  # in words
    place: Any  # the class, method or function to look at
    names: list[str]


def check(sweep: Sweep) -> None:
    """Try the plug-ins of a sweep that are from outside, as its first row uses them.

    Raises:
        ValueError: one of them fails, or returns what cannot be used.
    """
    if not (sweep.observables or outside(sweep.model_class) or outside(sweep.solver_class)):
        return
    try:
        family = next(sweep.families())
        with jax.enable_x64(True):
            sources = [*_labels(family.tasks[0]), *_of_model(family.tasks[0])]
            if outside(sweep.solver_class):
                _check_stages(family)
        info, found = Method(sweep.solver_class, "info"), outline(family)
        sources.append(info.source(columns(info, found.info, scalars=False)))
        _check_names([*sources, *_observed(sweep.observables)])
    except Exception as error:
        if line := blame(error):
            raise ValueError(line) from error
        raise


def _check_stages(family: Family) -> None:
    """Refuse a stage that makes another state of a state."""
    cls = type(family.tasks[0].solver)
    for before, after in through_stages(family):
        if (one := _spelling(before)) != (other := _spelling(after)):
            raise Method(cls, "init").wrong(f"returns a state {one}, of which a stage makes {other}")


def _spelling(tree: Any) -> str:
    """Return the shapes and types of a state, in words."""
    return ", ".join(f"{keystr(path)} {_kind(leaf)}" for path, leaf in tree_leaves_with_path(tree))


def _labels(task: Task) -> Iterator[Source]:
    """Yield the columns that every row has, those that readers of rows take for such, and the fields."""
    yield Source("a label of the rows", None, [name for name in FIRST if name not in _fields(task)])
    yield Source("a clock", None, [*CLOCKS])
    for plugin in (task.model, task.solver):
        yield Source(f"a field of {type(plugin).__name__}", type(plugin), [*field_types(type(plugin))])


def _fields(task: Task) -> set[str]:
    return {*field_types(type(task.model)), *field_types(type(task.solver))}


def _of_model(task: Task) -> Iterator[Source]:
    """Try the methods of a model as its solver uses them, and yield the columns of each."""
    cls, solver = type(task.model), task.solver
    model = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((), "float64"), task.model)
    seed = jax.ShapeDtypeStruct((), "uint32")
    keys = jax.eval_shape(realization_keys, model, seed, seed)
    data = _numbers(Method(cls, "sample"), Method(cls, "sample").shapes(model, keys.data))
    start = _numbers(Method(cls, "init"), Method(cls, "init").shapes(model, keys.init, data))
    if getattr(solver, "needs", "") == "training_loss":
        _check_loss(model, data, _trainable(Method(cls, "init"), start))
    if solver.clock != "none":
        metrics = Method(cls, "metrics")
        yield metrics.source(columns(metrics, metrics.shapes(model, start, data), scalars=True))
    if hasattr(cls, "facts"):
        facts = Method(cls, "facts")
        found = facts.traced(lambda *of: facts_of(Problem(of[0], of[1], of[2], keys.batches)), model, data, start)
        yield facts.source(columns(facts, found, scalars=False))


def _observed(names: Sequence[str]) -> Iterator[Source]:
    for name in names:
        yield Source(f"the observable {name}", find("observables", name), [name.rpartition(":")[2]])


def _check_names(sources: Sequence[Source]) -> None:
    """Refuse two columns of one name; whoever is from outside is to rename his."""
    taken: dict[str, Source] = {}
    for source in sources:
        for name in source.names:
            if name in taken:
                other = taken[name]
                mine, others = (other, source) if other.place and not outside(source.place) else (source, other)
                says = f"{name!r} is {mine.origin}, and {others.origin} too; rename it"
                raise ValueError(f"{defined(mine.place)}: {says}")
            taken[name] = source


def _check_loss(model: Any, data: Any, start: Any) -> None:
    method = Method(type(model), "training_loss")
    loss = method.shapes(model, start, data)
    if not (hasattr(loss, "dtype") and loss.shape == () and jnp.issubdtype(loss.dtype, jnp.floating)):
        raise method.wrong(f"returns {_kind(loss)} instead of one real number")
    method.traced(lambda model, start, data: jax.grad(model.training_loss)(start, data), model, start, data)


def _odd(found: Any) -> Iterator[str]:
    """Yield what JAX cannot trace of a result, in words."""
    if isinstance(found, dict) and not all(isinstance(name, str) for name in found):
        yield f"a dict with the keys {', '.join(map(repr, found))}, which are not all texts"
        return
    for path, leaf in tree_leaves_with_path(found):
        if not isinstance(leaf, (jax.Array, np.ndarray, np.generic, bool, int, float, complex)):
            yield f"a {type(leaf).__name__}{keystr(path)}, where numbers are needed"


def _numbers(method: Method, tree: Any) -> Any:
    """Return shapes that are numbers and no keys, and something at all."""
    if tree is None:
        raise method.wrong("returns nothing")
    for path, leaf in tree_leaves_with_path(tree):
        if not any(jnp.issubdtype(leaf.dtype, kind) for kind in (jnp.number, jnp.bool_)):
            raise method.wrong(f"returns {leaf.dtype}{keystr(path)}, where numbers are needed")
    return tree


def _trainable(method: Method, start: Any) -> Any:
    leaves = tree_leaves_with_path(start)
    if not leaves:
        raise method.wrong("returns no parameters, so there is nothing to train")
    for path, leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise method.wrong(f"returns parameters{keystr(path)} of {leaf.dtype}, and a gradient needs real floats")
    return start


def columns(method: Method, found: Any, *, scalars: bool) -> list[str]:
    """Return the names of columns, all of which are texts, with real numbers or pairs (value, exists)."""
    if not isinstance(found, dict):
        raise method.wrong(f"returns {_kind(found)} instead of a dict")
    for name, value in found.items():
        if not (isinstance(name, str) and name.isprintable() and name.strip() == name != "" and name[0] != "_"):
            raise method.wrong(f"returns a column of the name {name!r}; give a text that does not begin with '_'")
        for leaf in _values(method, name, value):
            if not _real(leaf):
                raise method.wrong(f"returns {name!r} as {_kind(leaf)}; give real numbers")
            if scalars and leaf.shape:
                raise method.wrong(
                    f"returns {name!r} with the shape {leaf.shape}; give a scalar, or make it an observable"
                )
    return [*found]


def _values(method: Method, name: str, value: Any) -> Iterator[Any]:
    """Yield the array of a column, or both of a pair (value, exists)."""
    if not isinstance(value, tuple):
        yield value
        return
    if not (
        len(value) == 2
        and all(map(_real, value))
        and jnp.issubdtype(value[1].dtype, jnp.bool_)
        and value[0].shape == value[1].shape
    ):
        raise method.wrong(f"returns {name!r} as a tuple; of (value, exists) the second is a bool of the same shape")
    yield value[0]


def _real(leaf: Any) -> bool:
    kind = getattr(leaf, "dtype", None)
    return kind is not None and any(jnp.issubdtype(kind, real) for real in (jnp.floating, jnp.integer, jnp.bool_))


def _kind(found: Any) -> str:
    """Return what something is, in words."""
    if hasattr(found, "dtype"):
        return f"{found.dtype}{list(found.shape) if found.shape else ''}"
    return "nothing" if found is None else f"a {type(found).__name__}"
