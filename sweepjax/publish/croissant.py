"""Croissant metadata, by which data hubs and loaders know the columns of the rows.

Source:
    Akhtar et al. (2024), DEEM; https://docs.mlcommons.org/croissant/docs/croissant-spec.html, version 1.1.
"""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sweepjax.columns import kind_of

if TYPE_CHECKING:
    from sweepjax.publish.folder import About

NAME = "croissant.json"
TERMS = (
    *(
        "arrayShape",
        "citeAs",
        "column",
        "equivalentProperty",
        "extract",
        "field",
        "fileObject",
        "fileProperty",
        "fileSet",
    ),
    *("format", "includes", "isArray", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
    *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
)  # of the context that the standard prescribes, whole
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {name: f"cr:{name}" for name in TERMS}


def write(folder: Path, runs: Sequence[tuple[str, pa.Schema]], about: "About") -> None:
    """Write the metadata of a folder; `runs` are their names, and what their rows hold."""
    today = date.today()
    told = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": about.title,
        "description": "Rows of Monte Carlo sweeps, one a realization.",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "datePublished": today.isoformat(),
        "version": "1.0.0",
        "citeAs": f"{', '.join(about.authors) or 'Anonymous'} ({today.year}). {about.title}.",
        **({"license": about.license} if about.license else {}),
        **({"creator": [{"@type": "sc:Person", "name": name} for name in about.authors]} if about.authors else {}),
        "distribution": [_files(name) for name, _ in runs],
        "recordSet": [_records(name, schema) for name, schema in runs],
    }
    (folder / NAME).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _files(name: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{name}-files",
        "name": f"{name}-files",
        "encodingFormat": "application/x-parquet",
        "includes": f"data/{name}/*.parquet",
    }


def _records(name: str, schema: pa.Schema) -> dict[str, Any]:
    fields = [_field(name, field) for field in schema]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": [field for field in fields if field]}


def _field(run: str, field: pa.Field) -> dict[str, Any]:
    kind, shape = field.type, []
    while pa.types.is_fixed_size_list(kind):
        shape.append(str(kind.list_size))
        kind = kind.value_type
    array = {"isArray": True, "arrayShape": ",".join(shape)} if shape else {}
    return {
        "@type": "cr:Field",
        "@id": f"{run}/{field.name}",
        "name": field.name,
        "description": kind_of(field) or "fact",
        "dataType": _kind(kind),
        **array,
        "source": {"fileSet": {"@id": f"{run}-files"}, "extract": {"column": field.name}},
    }


def _kind(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    return "sc:Integer" if pa.types.is_integer(kind) else "sc:Float" if pa.types.is_floating(kind) else "sc:Text"
