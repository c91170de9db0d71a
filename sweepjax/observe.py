"""New columns of finished rows: their datasets are drawn again from their keys, and nothing is trained."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sweepjax.engine import contract
from sweepjax.engine.engine import Engine, Watch, provenance
from sweepjax.engine.observing import observed
from sweepjax.observed import canonical, check_columns, column_of, is_fact
from sweepjax.plugins import find
from sweepjax.sources import named, sources
from sweepjax.store.beside import beside, column_file, keep, sound_rows
from sweepjax.store.chunkfile import footer, table
from sweepjax.store.directory import Conflict, chunk_files
from sweepjax.store.footers import stem
from sweepjax.store.rows import scan
from sweepjax.store.store import Store
from sweepjax.store.verify import planned_files
from sweepjax.sweep.contract import checked
from sweepjax.types import Chunk

Missing = dict[tuple[str, ...], list[Chunk]]  # the chunks that lack the same observables


def check(store: Store, texts: Sequence[str]) -> list[str]:
    """Return what is to be observed of finished rows, each in its one spelling; nothing is computed.

    Raises:
        ValueError: it is no observable, a column of these rows already, or its plug-ins are not at hand.
        Conflict: the column is there already, with other options.
    """
    if store.unplugged:
        raise ValueError(f"new columns need the plug-ins of the run: {store.unplugged}")
    for text in texts:
        checked("observables", text)
    check_columns(texts)
    asked = list(dict.fromkeys(map(canonical, texts)))
    seen = beside(store.path)
    there = {each.column: each.text for each in seen}
    own = [name for name in scan([store.path]).schema.names if name not in there]
    for text in asked:
        column = column_of(text)
        if column in own:
            raise ValueError(f"{column} is a column of these rows already; there is nothing to observe")
        if there.get(column, text) != text:
            raise Conflict(f"{column} of {store.path} is {there[column]}, and not {text}; move its files out of there")
        present = _code(store, text)
        for other in {each.source for each in seen if each.column == column} - {present}:
            codes = f"{other or 'none from outside'}, now {present or 'none'}"
            raise Conflict(f"{column} of {store.path} is of other code ({codes}); move its files out of there")
    return asked


def _code(store: Store, text: str) -> str:
    """Return the code of plug-ins from outside that an observed column is of: that of the model and its own."""
    task = next(store.sweep.tasks())
    return named(sources([task.model, find("observables", text)]))


def along(texts: Sequence[str]) -> list[str]:
    """Return which observables need the path of a training, of which rows keep nothing."""
    return [text for text in texts if not is_fact(text)]


def missing(store: Store, texts: Sequence[str]) -> Missing:
    """Return the stored chunks that lack some of the columns, by what they lack."""
    columns = set(map(column_of, texts))
    there = {each.file: sound_rows(each) for each in beside(store.path) if each.column in columns}
    found: Missing = defaultdict(list)
    for chunk in stored(store):
        files = {text: column_file(store.path, column_of(text), stem(chunk)) for text in texts}
        lacks = tuple(text for text, file in files.items() if there.get(file, 0) < chunk.rows)
        if lacks:
            found[lacks].append(chunk)
    return found


def stored(store: Store) -> Iterator[Chunk]:
    """Yield the chunks whose rows are stored, as long as they are."""
    for family, file in planned_files(store.sweep, chunk_files(store.path)):
        if family is None:
            raise Conflict(f"{file} belongs to another sweep; move it out of the directory")
        start = int(file.stem.partition("-")[2])
        yield Chunk(family, start, start + footer(file).num_rows)


def observe(store: Store, chunks: Missing, *, engine: Engine, watch: Watch) -> None:
    """Compute and keep the columns that chunks lack. Safe to interrupt, safe to repeat."""
    contract.check(store.sweep.replaced(observe=sorted({text for texts in chunks for text in texts})))
    codes = {text: _code(store, text) for texts in chunks for text in texts}
    for texts, several in chunks.items():
        for chunk, columns in observed(several, texts, engine=engine, watch=watch):
            for text in texts:
                column = column_of(text)
                code = {"source": codes[text]} if codes[text] else {}
                told = {"observed": text, "chunk": stem(chunk), "start": str(chunk.start), "stop": str(chunk.stop)}
                file = column_file(store.path, column, stem(chunk))
                keep(file, table({column: columns[column]}), told | provenance(engine) | code)
