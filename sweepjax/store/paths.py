"""Where files are kept: a directory here, or the URL of one in a bucket, which behaves as a Path does.

fsspec reaches the bucket. An object is put whole or not at all; none is ever renamed or appended to.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, TypeVar

Kind = TypeVar("Kind")

WHOLE = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "tos", "memory")  # put at once
EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "az": "az", "abfs": "az", "abfss": "az", "adl": "az"}
AT_ONCE = 32  # requests under way, each of them mostly waiting
CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey")
LARGEST = 5 * 2**30  # bytes of a single put in S3


class Overtaken(Exception):  # noqa: N818  named for what happened
    """Another writer has put the file first, so it has to be looked at again."""


def locate(path: str | Path) -> Path:
    """Return a path of this machine, or one in a bucket, once that is known to answer.

    The URL may have been made a Path, which spells it s3:/bucket/run.

    Raises:
        ValueError: a URL that leads nowhere, or to what does not keep files whole; a package is missing; or a name that
            is not Unicode.
        OSError: the bucket cannot be reached, or does not let us in.
    """
    if not isinstance(path, str | PurePath):
        return path
    if any("\udc80" <= character <= "\udcff" for character in str(path)):
        raise ValueError(f"{path} is a name whose bytes are not UTF-8, and pyarrow opens none; rename it")
    protocol, colon, rest = str(path).partition(":/")
    if not (colon and protocol.isalnum() and len(protocol) > 1):
        return Path(path)
    if protocol in ("file", "local"):
        return Path("/", rest.lstrip("/"))
    if protocol not in WHOLE:
        raise ValueError(
            f"{protocol}:// does not put a file at once; give a directory, or a URL such as s3://bucket/run"
        )
    found = _opened(f"{protocol}://{rest.strip('/')}")
    with _reaching(found):
        _info(found)
    return found


def remote(path: Path) -> Any:
    """Return the UPath of what is kept in a bucket, None for what is kept here."""
    return None if isinstance(path, Path) else path


def tag(file: Path) -> str:
    """Return what distinguishes this state of a file from another; empty where there is no file."""
    if remote(file) is None:
        with suppress(FileNotFoundError, NotADirectoryError):
            state = file.stat()
            return f"{state.st_ino}-{state.st_mtime_ns}-{state.st_size}"
        return ""
    found = _info(file)
    return found.get("ETag", "there") if found else ""


def upload(file: Path, content: bytes, seen: str) -> None:
    """Make `content` the object `file`, unless it is no longer as it was `seen`, where the server can tell.

    Raises:
        Overtaken: it has changed since.
        OSError: the bucket does not take it.
    """
    target = remote(file)
    condition: dict[str, Any] = {} if seen else {"mode": "create"}
    if seen and "s3" in target.fs.protocol:
        condition = {"IfMatch": seen, "chunksize": LARGEST}
    with _reaching(file):
        try:
            target.fs.pipe_file(target.path, content, **condition)
        except OSError as error:
            if isinstance(error, FileExistsError) or _code(error) in CHANGED:
                raise Overtaken from error
            if _code(error) != "NotImplemented":
                raise
            target.fs.pipe_file(target.path, content)


def entries(directory: Path) -> list[Path]:
    """List what is in a directory, by name."""
    if not (bucket := remote(directory)):
        return sorted(directory.iterdir())
    found = {name.rstrip("/") for name in bucket.fs.ls(bucket.path, detail=False)}
    # Some tools mark a directory by an empty object of its own name.
    return [directory / PurePosixPath(name).name for name in sorted(found - {bucket.path.rstrip("/")})]


def content(file: Path) -> bytes:
    """Return a file as it is at one moment."""
    return remote(file).fs.cat_file(remote(file).path) if remote(file) else file.read_bytes()


def remove(file: Path) -> None:
    """Remove a file, if it is there; its name is never taken for a pattern, which brackets are to fsspec."""
    if not remote(file):
        file.unlink(missing_ok=True)
        return
    with suppress(FileNotFoundError):
        remote(file).fs.rm_file(remote(file).path)


def reading(read: Callable[[Any], Kind], file: Path) -> Kind:
    """Return what pyarrow reads of a file; of an object it asks for parts, and again if that is replaced meanwhile."""
    while remote(file):
        try:
            with file.open("rb") as parts:
                return read(parts)
        except OSError as error:
            if type(error).__name__ != "FileExpired":
                raise
    return read(file)


def names(files: Sequence[Path]) -> tuple[list[str], Any]:
    """Return the names of files where they are kept, and their file system of fsspec; this machine has none."""
    systems = {remote(file).fs if remote(file) else None for file in files}
    if len(systems) > 1:
        raise ValueError("rows of a directory here and of a bucket are not read together; `sweepjax merge` joins them")
    return [remote(file).path if remote(file) else str(file) for file in files], systems.pop()


def file_named(name: str, system: Any) -> Path:
    """Return the file of a name in a file system of fsspec, or on this machine."""
    return _opened(system.unstrip_protocol(name)) if system else Path(name)


def answers(ask: Callable[[Any], Any], things: Sequence[Any], where: Path) -> Iterator[Any]:
    """Yield what `ask` returns for each thing that is kept at a path; a bucket is asked many questions at once."""
    if not remote(where):
        yield from map(ask, things)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(ask, things)


def of_a_bucket(error: Exception) -> bool:
    """Whether an error is of the packages that reach buckets, which need not be an OSError."""
    return type(error).__module__.partition(".")[0] in ("botocore", "aiobotocore", "aiohttp", "gcsfs", "azure")


@contextmanager
def _reaching(path: Path) -> Iterator[None]:
    """Turn what goes wrong with a bucket into one sentence."""
    try:
        yield
    except Overtaken:
        raise
    except Exception as error:
        what = f"{path} cannot be reached: {' '.join(str(error).split()).rstrip('.')}"
        advice = "check the name of the bucket, the credentials and the address of the server (AWS_ENDPOINT_URL)"
        raise OSError(f"{what}; {advice}") from error


def _opened(url: str) -> Any:
    try:
        from upath import UPath  # noqa: PLC0415  an extra, and only URLs need it

        path = UPath(url, use_listings_cache=False)  # others write there meanwhile
        _ = path.fs
    except ImportError as error:
        extra = EXTRAS.get(url.partition(":")[0])
        advice = f"pip install 'sweepjax[{extra}]'" if extra else "install that, and universal_pathlib"
        raise ValueError(f"{url} cannot be reached ({error}); {advice}") from None
    except ValueError as error:
        raise ValueError(f"{url} is not understood ({error}); give a URL such as s3://bucket/run") from None
    return path


def _info(path: Any) -> dict[str, Any] | None:
    """Return what the bucket says of an object or a directory of them, None where there is neither."""
    try:
        return path.fs.info(path.path)
    except FileNotFoundError as error:
        if _code(error) == "NoSuchBucket":
            raise
        return None


def _code(error: Exception) -> str:
    """Return what S3 calls its error."""
    return getattr(error.__cause__, "response", {}).get("Error", {}).get("Code", "")
