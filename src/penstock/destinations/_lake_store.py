"""Where the files of a dataset lie: a folder of this machine, or an object store.

Two things are asked of a store beyond reading and writing: a file that is made is whole, and of
several who make a file of one name at once exactly one succeeds.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any, Protocol

from penstock.destinations._newfile import sync_directory
from penstock.destinations._temporary import temporary_folder
from penstock.errors import DestinationError, Error
from penstock.patterns import pattern

_UNREADABLE = pattern(
    r"magic bytes|No files found that match|Failed to open local file .*No such file"
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)

BACK = "bring it back, or load the stream again from the start with --full-refresh"


class Store(Protocol):
    """A folder and everything below it; paths are relative to it, their parts joined by `/`."""

    root: str

    def create(self, path: str, data: bytes) -> bool:
        """Make a small file, whole and durable; False if there is one of that name already."""
        ...

    def output(self, path: str) -> Any:
        """A context that gives a binary file to write, durable in itself once it is left."""
        ...

    def settle(self, folders: Iterable[str]) -> None:
        """Make the names of new files in these folders durable."""
        ...

    def read(self, path: str) -> bytes | None:
        """The content of a file, or None where there is none."""
        ...

    def files(self, folder: str) -> dict[str, int]:
        """The files in a folder by name, with their sizes; empty where there is no such folder."""
        ...

    def folders(self) -> list[str]:
        """The names of the folders at the top."""
        ...

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""
        ...

    def url(self, path: str) -> str:
        """The path as other tools take it."""
        ...

    def probe(self) -> None:
        """Make sure that the store refuses to make a file twice.

        Raises:
            DestinationError: it does not.
        """
        ...


def unreadable(error: Exception) -> DestinationError | None:
    """Say it where a file that the log names is gone or is no Parquet file any more."""
    text = str(error).strip()
    if not _UNREADABLE.search(text):
        return None
    said = text.split("\n", maxsplit=1)[0]
    return DestinationError(
        f"a file of the dataset cannot be read: {said}", code="drift", hint=BACK
    )


def explain(error: Exception, root: str) -> Error:
    """Say what a failure of a store means and what to do about it."""
    if isinstance(error, Error):
        return error
    if found := unreadable(error):
        return found
    error = _cause(error)
    number = error.errno if isinstance(error, OSError) else None
    if number in _FULL:
        advice = "free disk space"
    elif number in {errno.EACCES, errno.EROFS, errno.EPERM} or isinstance(error, PermissionError):
        advice = "let this user write there"
    elif isinstance(error, FileNotFoundError):
        advice = "bring the file back, or load the stream again with --full-refresh"
    else:
        advice = ""
    hint = f"{advice}; what was committed is intact, run again" if advice else None
    return DestinationError(f"{root}: {str(error).strip()}", hint=hint)


def _cause(error: Exception) -> Exception:
    """What the system refused, where a writer failed once more when it was closed after that."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.errno in _FULL:
            return found
        found = found.__context__
    return error


class LocalStore:
    """A folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.path = root
        self.root = str(root)

    def create(self, path: str, data: bytes) -> bool:
        """Write beside, then link: a link fails where the name is taken, and is never half."""
        target = self.path / path
        self._make(target.parent)
        beside = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
        try:
            with beside.open("xb") as file:
                file.write(data)
                _flush(file)
            os.link(beside, target)
        except FileExistsError:
            return False
        finally:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
        sync_directory(target.parent)
        return True

    @contextmanager
    def output(self, path: str) -> Iterator[IO[bytes]]:
        """A new file, synced when it is left."""
        target = self.path / path
        self._make(target.parent)
        with target.open("xb") as file:
            yield file
            _flush(file)

    def settle(self, folders: Iterable[str]) -> None:
        """Sync the folders."""
        for folder in sorted(set(folders)):
            sync_directory(self.path / folder)

    def read(self, path: str) -> bytes | None:
        """The content of a file, or None where there is none."""
        try:
            return (self.path / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def files(self, folder: str) -> dict[str, int]:
        """The files in a folder by name, with their sizes."""
        try:
            with os.scandir(self.path / folder) as entries:
                return {e.name: e.stat().st_size for e in entries if e.is_file()}
        except (FileNotFoundError, NotADirectoryError):
            return {}

    def folders(self) -> list[str]:
        """The names of the folders at the top."""
        try:
            with os.scandir(self.path) as entries:
                return sorted(e.name for e in entries if e.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""
        (self.path / path).unlink(missing_ok=True)

    def url(self, path: str) -> str:
        """The path as it stands."""
        return str(self.path / path)

    def probe(self) -> None:
        """Make a file and link it twice: some file systems have no links."""
        name = f"_penstock/probe-{secrets.token_hex(6)}"
        try:
            twice = self.create(name, b"") and self.create(name, b"")
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise _refused(self.root, "hard links") from error
        self.delete(name)
        if twice:
            raise _refused(self.root, "hard links")

    def _make(self, folder: Path) -> None:
        """Make a folder, each new name on the way to it durable."""
        if folder.is_dir():
            return
        if folder != self.path.parent:
            self._make(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_directory(folder.parent)


def _flush(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


class RemoteStore:
    """A prefix of an object store: `s3://`, `gs://`, `az://`, whatever obstore knows."""

    def __init__(self, url: str) -> None:
        self.root = url
        self._store = _object_store(url)
        self._near: Path | None = None

    def create(self, path: str, data: bytes) -> bool:
        """Put an object, if none has its name; an answer that was lost is looked up."""
        import obstore  # noqa: PLC0415 (loaded when something is opened)

        try:
            obstore.put(self._store, path, data, mode="create")
        except obstore.exceptions.AlreadyExistsError:
            # A put that was sent twice finds itself: every content has a token of its own.
            return self.read(path) == data
        except Exception as error:
            if self._is_there(path, data):
                return True
            raise self._said(error) from error
        return True

    def _is_there(self, path: str, data: bytes) -> bool:
        try:
            return self.read(path) == data
        except DestinationError:
            return False

    @contextmanager
    def output(self, path: str) -> Iterator[IO[bytes]]:
        """A new object, put as a whole when it is left."""
        import obstore  # noqa: PLC0415 (loaded when something is opened)

        buffer = BytesIO()
        yield buffer
        buffer.seek(0)
        try:
            obstore.put(self._store, path, buffer)
        except Exception as error:
            raise self._said(error) from error

    def settle(self, folders: Iterable[str]) -> None:
        """Do nothing: an object that is there stays."""

    def read(self, path: str) -> bytes | None:
        """The content of an object, or None where there is none."""
        import obstore  # noqa: PLC0415 (loaded when something is opened)

        try:
            return bytes(obstore.get(self._store, path).bytes())
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self._said(error) from error

    def files(self, folder: str) -> dict[str, int]:
        """The objects below a prefix by name, with their sizes."""
        found = self._list(folder)["objects"]
        return {o["path"].rsplit("/", 1)[-1]: int(o["size"]) for o in found}

    def folders(self) -> list[str]:
        """The prefixes at the top."""
        found = self._list("")["common_prefixes"]
        return sorted(prefix.rstrip("/").rsplit("/", 1)[-1] for prefix in found)

    def delete(self, path: str) -> None:
        """Remove an object, if it is there."""
        import obstore  # noqa: PLC0415 (loaded when something is opened)

        try:
            obstore.delete(self._store, path)
        except FileNotFoundError:
            return
        except Exception as error:
            raise self._said(error) from error

    def url(self, path: str) -> str:
        """A copy on this machine, made when it is first asked for and kept as long as the store."""
        if self._near is None:
            self._near = temporary_folder(self)
        copy = self._near / path.replace("/", "!")
        if not copy.exists():
            data = self.read(path)
            if data is None:
                raise FileNotFoundError(errno.ENOENT, f"{path} is gone", path)
            copy.write_bytes(data)
        return str(copy)

    def probe(self) -> None:
        """Put an object twice: the second time must be refused."""
        name = f"_penstock/probe-{secrets.token_hex(6)}"
        first = self.create(name, secrets.token_bytes(8))
        second = self.create(name, secrets.token_bytes(8))
        self.delete(name)
        if not first or second:
            raise _refused(self.root, "conditional writes (If-None-Match)")

    def _list(self, path: str) -> Any:
        import obstore  # noqa: PLC0415 (loaded when something is opened)

        try:
            return obstore.list_with_delimiter(self._store, path or None)
        except Exception as error:
            raise self._said(error) from error

    def _said(self, error: Exception) -> Error:
        """What an object store says, without the many lines that follow."""
        return explain(OSError(str(error).split("\n", maxsplit=1)[0]), self.root)


def _object_store(url: str) -> Any:
    try:
        from obstore.store import from_url  # noqa: PLC0415 (loaded when something is opened)
    except ImportError as error:
        raise DestinationError(
            "the driver for object stores is not installed", hint="pip install 'penstock[s3]'"
        ) from error
    try:
        return from_url(url)
    except Exception as error:
        raise DestinationError(
            f"{url} cannot be reached: {error}",
            hint="write it as s3://bucket/prefix; keys and region come from the environment",
        ) from error


def _refused(root: str, what: str) -> DestinationError:
    return DestinationError(
        f"{root} does not have {what}, so two runs at once could not be told apart",
        code="store",
        hint="choose another place, or load into DuckDB or Postgres",
    )


def store_at(url: str) -> Store:
    """The store that a path or URL names."""
    return RemoteStore(url) if "://" in url else LocalStore(Path(url).expanduser())
