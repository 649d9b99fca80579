"""Temporary folders: of processes that were killed nothing stays, of living ones everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.destinations import _temporary
from penstock.destinations._temporary import scratch, temporary_folder

MAKER = """
import time
from penstock.destinations._temporary import temporary_folder
class Holder: pass
holder = Holder()
folder = temporary_folder(holder)
(folder / "rows").write_text("x")
print(folder, flush=True)
time.sleep(600)
"""


class Holder:
    """Somebody who needs a folder."""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def other() -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """Another process that has a folder."""
    with subprocess.Popen(
        [sys.executable, "-c", MAKER], stdout=subprocess.PIPE, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        yield process, Path(process.stdout.readline().strip())
        process.kill()


def test_what_a_killed_process_left_is_removed_by_the_next(place: Path, other):
    """Its lock went with it."""
    process, left = other
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (left / "rows").exists()
    holder = Holder()
    mine = temporary_folder(holder)
    assert not left.exists()
    assert sorted(path.name for path in place.iterdir()) == [mine.name, f"{mine.name}.lock"]


def test_the_folder_of_a_living_process_stays(other):
    """However old it is, and whatever its number."""
    _process, left = other
    os.utime(left, (0, 0))
    os.utime(left.with_name(f"{left.name}.lock"), (0, 0))
    holders = [Holder(), Holder()]
    made = [temporary_folder(holder) for holder in holders]
    assert (left / "rows").exists()
    assert all(path.is_dir() for path in made)


def test_a_folder_goes_with_its_holder(place: Path):
    """And its lock."""
    holder = Holder()
    folder = temporary_folder(holder)
    (folder / "rows").write_text("x")
    del holder
    assert list(place.iterdir()) == []


def test_a_folder_goes_when_it_is_not_needed_any_more(place: Path):
    """Also where that ends in an error, which somebody may keep."""
    with pytest.raises(KeyError) as kept, scratch() as folder:
        raise KeyError(str(folder))
    assert kept.value.args == (str(folder),)
    assert list(place.iterdir()) == []


def test_what_no_lock_belongs_to_is_left_alone(place: Path):
    """A folder of that name may be anybody's, and so may what a link leads to."""
    (place / "penstock-mine").mkdir()
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (place / "penstock-link").symlink_to(elsewhere)
    (place / "penstock-link.lock").touch()
    (place / "penstock-far.lock").symlink_to(elsewhere / "far")
    holder = Holder()
    temporary_folder(holder)
    assert (place / "penstock-mine").is_dir()
    assert elsewhere.is_dir()
    assert not (elsewhere / "far").exists()


def test_a_lock_that_was_swept_before_it_was_held_is_not_the_folders(
    place: Path, monkeypatch: pytest.MonkeyPatch
):
    """Between making the file and locking it another process may take it for a leftover."""
    take, swept = _temporary._take, []

    def late(handle: int, lock: Path) -> bool:
        if not swept:
            swept.append(lock)
            lock.unlink()
        return take(handle, lock)

    monkeypatch.setattr(_temporary, "_take", late)
    holder = Holder()
    folder = temporary_folder(holder)
    assert folder.is_dir()
    assert folder.with_name(f"{folder.name}.lock").exists()
    assert not swept[0].exists()
