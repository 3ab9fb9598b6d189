"""Sources of an import: JSON files, archives of them and directories, read one document at a time."""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from careapp.imports.report import Note

LARGEST = 128 * 1024 * 1024  # bytes of one document; the largest bundle of a whole life is a tenth of that
SHARED = ("hospitalInformation", "practitionerInformation")  # files of Synthea's to which those of patients refer
ARCHIVES = (".tar.gz", ".tgz")
_BROKEN = (tarfile.TarError, EOFError, zlib.error, OSError)


@dataclass(frozen=True)
class Document:
    """One document of a source: its bytes, or why there are none. `read` is how many bytes of the source it took."""

    name: str
    content: bytes = b""
    problem: Note | None = None
    read: int = 0


def size_of(paths: list[Path]) -> int:
    """How many bytes all sources together have; the measure of progress."""
    return sum(path.stat().st_size for path in _files(paths))


def documents(paths: list[Path]) -> Iterator[Document]:
    """All documents of the given files and directories; what cannot be read comes as a document with a problem."""
    for path in paths:
        if path.is_dir() and not any(_files([path])):
            yield _unreadable(path.name, "NOTHING", "", "No .json and no .tar.gz lies in this directory.", 0)
    for path in _files(paths):
        if _is_archive(path.name):
            yield from _members(path)
        elif _is_json(path.name):
            yield _whole(path)
        else:
            yield _unreadable(
                path.name, "FILE_TYPE", path.suffix, "Only .json and .tar.gz are read.", path.stat().st_size
            )


def _files(paths: list[Path]) -> list[Path]:
    """The files to read: those named, and of a directory all at any depth that have a known ending."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(one for one in path.rglob("*") if _is_read(one.name) and one.is_file())
        else:
            found.append(path)
    return sorted(found, key=lambda one: not one.name.startswith(SHARED))


def _is_archive(name: str) -> bool:
    return name.lower().endswith(ARCHIVES)


def _is_json(name: str) -> bool:
    return name.lower().endswith(".json")


def _is_read(name: str) -> bool:
    return _is_archive(name) or _is_json(name)


def _whole(path: Path) -> Document:
    try:
        size = path.stat().st_size
        return (
            _too_large(path.name, size, size) if size > LARGEST else Document(path.name, path.read_bytes(), read=size)
        )
    except OSError as error:
        return _unreadable(path.name, "FILE", "", f"The file cannot be read: {error.strerror}.", 0)


def _members(path: Path) -> Iterator[Document]:
    """The JSON members of an archive; a broken archive gives what stands before the break, then says so."""
    before, empty = 0, True
    try:
        with (
            path.open("rb") as raw,
            gzip.GzipFile(fileobj=raw) as plain,
            tarfile.open(fileobj=plain, mode="r:") as archive,
        ):
            for member in archive:
                if member.isreg() and _is_json(member.name):
                    yield _member(archive, member, raw.tell() - before)
                    before, empty = raw.tell(), False
            while plain.read(1 << 20):  # to its end, where the checksum stands
                pass
    except _BROKEN as error:
        yield _unreadable(path.name, "ARCHIVE", type(error).__name__, "The archive is broken from here on.", 0)
    else:
        if empty:
            yield _unreadable(path.name, "NOTHING", "", "No .json is in this archive.", 0)


def _member(archive: tarfile.TarFile, member: tarfile.TarInfo, read: int) -> Document:
    name = Path(member.name).name
    if member.size > LARGEST:
        return _too_large(name, member.size, read)
    file = archive.extractfile(member)
    assert file is not None  # a regular member has content
    return Document(name, file.read(), read=read)


def _too_large(name: str, size: int, read: int) -> Document:
    return _unreadable(name, "TOO_LARGE", str(size), f"More than {LARGEST} bytes.", read)


def _unreadable(name: str, code: str, value: str, why: str, read: int) -> Document:
    return Document(name, problem=Note(code, value, why), read=read)
