"""What a method of a plug-in returns, in shapes and types: nothing is computed to find out."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import keystr, tree_leaves_with_path

from sweepjax.plugins import blame, defined, outside, reason
from sweepjax.sweep.contract import PROTOCOLS, wanted

NUMBERS = (jax.Array, np.ndarray, np.generic, bool, int, float, complex)
TRACED = "; numbers and float fields are traced: branch by jnp.where, and let int, bool or str fields decide shapes"


class Method(NamedTuple):
    """A method of a plug-in; the protocols of its kind say what it is for."""

    kind: str
    cls: Any
    name: str

    @property
    def wanted(self) -> str:
        """How it is called and what it is to do."""
        return wanted(next(each for each in PROTOCOLS[self.kind] if hasattr(each, self.name)), self.name)

    def wrong(self, what: str) -> ValueError:
        """Return the error that says what it returns, or why it fails."""
        return ValueError(f"{defined(self.place)}: {self.cls.__name__}.{self.name} {what}; {self.wanted}")

    @property
    def place(self) -> Any:
        """The function, or the class if that is easier to find."""
        function = inspect.getattr_static(self.cls, self.name, None)
        function = function.fget if isinstance(function, property) else function
        return function if callable(function) and outside(function) else self.cls

    def shapes(self, plugin: Any, *arguments: Any) -> Any:
        """Return the shapes and types that it returns for arguments of these shapes.

        Raises:
            ValueError: it fails, if it is from outside.
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
                hint = TRACED if isinstance(error, jax.errors.JAXTypeError) or "Tracer" in str(error) else ""
                raise ValueError(f"{line}{hint}; {self.cls.__name__}.{self.wanted}") from error
            if not outside(self.cls):
                raise
            raise self.wrong(f"returns {odd[0]}" if odd else f"fails ({reason(error)})") from error


def numbers(method: Method, tree: Any) -> Any:
    """Return shapes that are numbers and no keys, and something at all."""
    if tree is None:
        raise method.wrong("returns nothing")
    for path, leaf in tree_leaves_with_path(tree):
        if not any(jnp.issubdtype(leaf.dtype, kind) for kind in (jnp.number, jnp.bool_)):
            raise method.wrong(f"returns {leaf.dtype}{_inside(path)}, where numbers are needed")
    return tree


def trainable(method: Method, start: Any) -> Any:
    """Return shapes that are real floats, which have a gradient."""
    leaves = tree_leaves_with_path(start)
    if not leaves:
        raise method.wrong("returns no parameters, so there is nothing to train")
    for path, leaf in leaves:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            raise method.wrong(f"returns parameters of {leaf.dtype}{_inside(path)}, and a gradient needs real floats")
    return start


def scalar(method: Method, found: Any, kind: Any, words: str) -> None:
    """Refuse what is not one number of a kind."""
    if not (hasattr(found, "dtype") and found.shape == () and jnp.issubdtype(found.dtype, kind)):
        raise method.wrong(f"returns {described(found)} instead of {words}")


def alike(method: Method, found: Any, model: Any, words: str) -> None:
    """Refuse what differs from its model in structure, shape or type."""
    if jax.tree.structure(found) != jax.tree.structure(model):
        raise method.wrong(f"returns {described(found)} that is not built as {words}")
    for (path, leaf), like in zip(tree_leaves_with_path(found), jax.tree.leaves(model), strict=True):
        if (leaf.shape, leaf.dtype) != (like.shape, like.dtype):
            raise method.wrong(f"returns {described(leaf)}{_inside(path)} where {words} has {described(like)}")


def columns(method: Method, found: Any, *, scalars: bool) -> list[str]:
    """Return the names of columns, all of which are texts, with real numbers or pairs (value, exists)."""
    if not isinstance(found, dict):
        raise method.wrong(f"returns {described(found)} instead of a dict")
    for name, value in found.items():
        if not (isinstance(name, str) and name.isprintable() and name.strip() == name != "" and name[0] != "_"):
            raise method.wrong(f"returns a column of the name {name!r}; give a word that begins with no '_'")
        array = column(method, value, repr(name))
        if scalars and array.shape:
            raise method.wrong(
                f"returns {name!r} with the shape {array.shape}; give a scalar, or make it an observable"
            )
    return [*found]


def column(method: Method, value: Any, name: str) -> Any:
    """Return the array of a column, which may be a pair (value, exists)."""
    if isinstance(value, tuple):
        pair = len(value) == 2 and all(map(_real, value)) and jnp.issubdtype(value[1].dtype, jnp.bool_)
        if not (pair and value[0].shape == value[1].shape):
            raise method.wrong(f"returns {name} as a tuple; of (value, exists) the second is a bool of the same shape")
        return value[0]
    if not _real(value):
        raise method.wrong(f"returns {name} as {described(value)}; give real numbers")
    return value


def described(found: Any) -> str:
    """Return what something is, in words."""
    if hasattr(found, "dtype"):
        return f"{found.dtype}{list(found.shape) if found.shape else ''}"
    return "nothing" if found is None else f"a {type(found).__name__}"


def _inside(path: Any) -> str:
    """Return where a leaf is, if it is not all there is."""
    return f" in {keystr(path).removeprefix('.')}" if path else ""


def _odd(found: Any) -> Iterator[str]:
    """Yield what JAX cannot trace of a result, in words."""
    if isinstance(found, dict) and not all(isinstance(name, str) for name in found):
        yield f"a dict with the keys {', '.join(map(repr, found))}, which are not all texts"
        return
    for path, leaf in tree_leaves_with_path(found):
        if not isinstance(leaf, NUMBERS):
            yield f"a {type(leaf).__name__}{_inside(path)}, where numbers are needed"


def _real(leaf: Any) -> bool:
    kind = getattr(leaf, "dtype", None)
    return kind is not None and any(jnp.issubdtype(kind, real) for real in (jnp.floating, jnp.integer, jnp.bool_))
