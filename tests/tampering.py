"""What tests of damage share: whole directories as bytes, and files edited so that every checksum is right again."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sweepjax.store.chunkfile import encode


def everything(path):
    return {file.name: file.read_bytes() for file in path.iterdir()}


def copied(source, target, names=None):
    """Copy a directory of rows, or its record and only these files."""
    target.mkdir()
    for file in source.iterdir():
        if names is None or file.name[0] == "_" or file.name in names:
            shutil.copy(file, target)
    return target


def chunks(path):
    return sorted(path.glob("[!_]*.parquet"))


def rewritten(file, change=lambda table: table, to=None, **told):
    """Write a file anew with its table changed and its footer telling otherwise; its checksum is right."""
    stored = pq.ParquetFile(file)
    entries = {key.decode().removeprefix("sweepjax."): text.decode() for key, text in stored.metadata.metadata.items()}
    del entries["checksum"]
    (to or file).write_bytes(encode(change(stored.read()), entries | told))


def edited(column, change, row=0):
    """Return the change of a table that replaces one value by change(value), NULL being None."""

    def changed(table):
        place = table.schema.get_field_index(column)
        values = table[column].to_pylist()
        values[row] = change(values[row])
        return table.set_column(place, table.schema.field(column), pa.array(values, table.schema.field(column).type))

    return changed


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 0x01]) + content[place + 1 :]


def spread_over(content, count):
    """Return places all over a file, its first and last bytes among them."""
    return np.unique(np.linspace(0, len(content) - 1, count).astype(int)).tolist()
