"""RO-Crate metadata: what is in the folder, and which command made it.

Source:
    Soiland-Reyes et al. (2022), Data Science 5, 97; https://w3id.org/ro/crate.
"""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rocrate.model import ContextEntity, Person
from rocrate.rocrate import ROCrate

from sweepjax.publish.checksums import files

if TYPE_CHECKING:
    from sweepjax.publish.folder import About

TYPES = {".parquet": "application/vnd.apache.parquet", ".toml": "application/toml", ".md": "text/markdown"}
RELEASE = "1.1"


def write(folder: Path, runs: Sequence[tuple[str, str]], about: "About") -> None:
    """Write the metadata of a folder; `runs` are their names, and how they are computed."""
    crate = ROCrate(version=RELEASE)
    crate.name, crate.description = about.title, "Rows of Monte Carlo sweeps, one a realization."
    if about.license:
        crate.license = about.license
    if about.authors:
        crate.creator = [_person(crate, name) for name in about.authors]
    tool = _tool(crate)
    for file in files(folder):
        name = file.relative_to(folder).as_posix()
        kind = {"encodingFormat": TYPES[file.suffix]} if file.suffix in TYPES else {}
        crate.add_file(dest_path=name, properties={"name": name, "contentSize": str(file.stat().st_size), **kind})
    for name, command in runs:
        _action(crate, name, command, tool)
    crate.metadata.write(folder)


def _person(crate: ROCrate, name: str) -> Any:
    return crate.add(Person(crate, f"#{name.replace(' ', '-')}", properties={"name": name}))


def _tool(crate: ROCrate) -> Any:
    properties = {"@type": "SoftwareApplication", "name": "sweepjax", "version": version("sweepjax")}
    return crate.add(ContextEntity(crate, "#sweepjax", properties=properties))


def _action(crate: ROCrate, name: str, command: str, tool: Any) -> None:
    """Say that a command made the rows of a run."""
    properties = {"@type": "CreateAction", "name": f"the run {name}", "description": command}
    action: Any = crate.add(ContextEntity(crate, f"#run-{name}", properties=properties))
    action["instrument"] = tool
    rows = f"data/{name}/"
    action["result"] = [
        each for each in crate.data_entities if each.id.startswith(rows) and each.id.endswith(".parquet")
    ]
