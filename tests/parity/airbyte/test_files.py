"""Files that records lead to: fetched, named and told of as the reference engine does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.e2e.loads import query
from tests.support.web import Web, serving

from penstock.cli.app import cli
from penstock.cli.context import App
from penstock.engine.protocol.messages import Messages
from penstock.redact import Redactor

PYTHON = os.environ.get("PENSTOCK_CDK_PYTHON") or (
    sys.executable if find_spec("airbyte_cdk") else ""
)
FILES = {"a.txt": b"one", "b c.txt": b"\x00\xff two", "d/e.txt": b""}


def api(path: str, _query: dict[str, str]) -> tuple[int, Any]:
    """Notes that have files, and the files."""
    if path == "/notes":
        held = [
            {"id": n, "title": name, "file": {"at": f"/files/{n}"}} for n, name in enumerate(FILES)
        ]
        return 200, {"notes": held}
    return 200, list(FILES.values())[int(path.rpartition("/")[2])]


def manifest(web: Web, name: str | None = "{{ record.id }}/{{ record.title }}") -> dict[str, Any]:
    """A stream whose records lead to files."""
    requester = {"type": "HttpRequester", "url_base": web.url}
    uploader = {
        "type": "FileUploader",
        "requester": {**requester, "path": "{{ download_target }}"},
        "download_target_extractor": {"type": "DpathExtractor", "field_path": ["file", "at"]},
        **({"filename_extractor": name} if name is not None else {}),
    }
    stream = {
        "type": "DeclarativeStream",
        "name": "notes",
        "primary_key": "id",
        "retriever": {
            "type": "SimpleRetriever",
            "requester": {**requester, "path": "/notes"},
            "record_selector": {
                "type": "RecordSelector",
                "extractor": {"type": "DpathExtractor", "field_path": ["notes"]},
            },
        },
        "schema_loader": {"type": "InlineSchemaLoader", "schema": {"type": "object"}},
        "file_uploader": uploader,
    }
    return {
        "version": "7.39.1",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": ["notes"]},
        "streams": [stream],
        "spec": {"type": "Spec", "connection_specification": {"type": "object"}},
    }


def words(folder: Path, web: Web, name: str | None) -> list[str]:
    """A call that reads the stream."""
    stream = {"name": "notes", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
    chosen = {
        "stream": stream,
        "sync_mode": "full_refresh",
        "destination_sync_mode": "append",
        "include_files": True,
    }
    held = {
        "manifest": manifest(web, name),
        "config": {},
        "catalog": {"streams": [chosen]},
    }
    told = ["read"]
    for option, value in held.items():
        path = folder / f"{option}.json"
        path.write_text(json.dumps(value), "utf-8")
        told += ["--manifest-path" if option == "manifest" else f"--{option}", str(path)]
    return told


def kept(folder: Path) -> dict[str, bytes]:
    """The files below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def told(messages: list[dict[str, Any]], folder: Path) -> list[Any]:
    """The records, without when they were told and where this machine keeps their files."""
    found = [m["record"] for m in messages if m["type"] == "RECORD"]
    for record in found:
        del record["emitted_at"]
        place = record["file_reference"]["staging_file_url"]
        assert place.startswith(str(folder))
        record["file_reference"]["staging_file_url"] = place.removeprefix(str(folder))
    return sorted(found, key=lambda record: record["data"]["id"])


def ours(folder: Path, call: list[str], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The messages that Penstock tells."""
    monkeypatch.setenv("AIRBYTE_STAGING_DIRECTORY", str(folder))
    done = CliRunner().invoke(cli, ["airbyte", *call], obj=App())
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.skipif(not PYTHON, reason="the reference engine is not installed")
def test_files_are_those_of_the_reference_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same requests, the same files, and the same word of them beside each record."""
    theirs_in, ours_in = tmp_path / "theirs", tmp_path / "ours"
    theirs_in.mkdir()
    ours_in.mkdir()
    with serving(api) as web:
        call = words(tmp_path, web, "{{ record.id }}/{{ record.title }}")
        done = subprocess.run(
            [PYTHON, str(Path(__file__).parent / "protocol_reference.py")],
            input=json.dumps([call]),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "AIRBYTE_STAGING_DIRECTORY": str(theirs_in)},
        )
        [[code, messages]] = json.loads(done.stdout)
        assert code == 0
        theirs, asked = told(messages, theirs_in), sorted(web.asked)
        web.asked.clear()
        mine = told(ours(ours_in, call, monkeypatch), ours_in)
        assert (mine, sorted(web.asked)) == (theirs, asked)
    assert kept(ours_in) == kept(theirs_in)
    assert kept(ours_in) == {f"notes/{n}/{k}": v for n, (k, v) in enumerate(FILES.items())}


@pytest.mark.parametrize("name", ["../{{ record.title }}", "x/../../y", "", "/"])
def test_no_file_leaves_the_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads out of the folder, or is none, is an error, and nothing is written."""
    (tmp_path / "in").mkdir()
    with serving(api) as web:
        messages = ours(tmp_path / "in", words(tmp_path, web, name), monkeypatch)
    traces = [m["trace"]["error"]["message"] for m in messages if m.get("type") == "TRACE"
              and m["trace"]["type"] == "ERROR"]  # fmt: skip
    assert any("cannot be called" in text for text in traces)
    assert not kept(tmp_path / "in")


def loaded(folder: Path, *more: str) -> Any:
    """A load of the stream into a database in `folder`."""
    place = folder / "notes.duckdb"
    call = ["run", str(folder / "manifest.json"), "--to", str(place), "--db-schema", "kept"]
    return CliRunner().invoke(cli, [*call, *more], obj=App())


def test_a_load_keeps_the_files_where_it_is_told(tmp_path: Path) -> None:
    """With `--files` a column says where each file is; a second run leaves none twice."""
    with serving(api) as web:
        words(tmp_path, web, "{{ record.title }}")
        for _ in range(2):
            done = loaded(tmp_path, "--files", str(tmp_path / "files"))
            assert done.exit_code == 0, done.output
    found = query(
        tmp_path / "notes.duckdb",
        "SELECT title, CAST(file_reference ->> 'file_size_bytes' AS INTEGER), "
        "file_reference ->> 'staging_file_url' FROM notes ORDER BY id",
    )
    assert [row[:2] for row in found] == [(name, len(body)) for name, body in FILES.items()]
    assert [Path(row[2]).read_bytes() for row in found] == list(FILES.values())
    assert len(kept(tmp_path / "files")) == len(FILES)


def test_a_file_that_cannot_be_had_keeps_its_record_back(tmp_path: Path) -> None:
    """A record is not loaded before its file is there; the next run has both."""
    gone = {"/files/1"}

    def answer(path: str, query: dict[str, str]) -> tuple[int, Any]:
        return (404, {}) if path in gone else api(path, query)

    folder = str(tmp_path / "files")
    with serving(answer) as web:
        words(tmp_path, web, "{{ record.title }}")
        failed = loaded(tmp_path, "--files", folder)
        assert failed.exit_code == 1
        assert "/files/1" in failed.output
        assert "404" in failed.output
        gone.clear()
        assert loaded(tmp_path, "--files", folder).exit_code == 0
    assert query(tmp_path / "notes.duckdb", "SELECT count(*) FROM notes") == [(len(FILES),)]
    assert sorted(kept(tmp_path / "files").values()) == sorted(FILES.values())


def test_without_a_folder_only_records_are_loaded(tmp_path: Path) -> None:
    """Files are fetched where that is asked for, which is said."""
    with serving(api) as web:
        words(tmp_path, web, None)
        done = loaded(tmp_path)
        assert web.asked == ["/notes"]
    assert done.exit_code == 0
    assert "airbyte-files" in done.output


def test_records_with_files_do_not_wait_in_memory() -> None:
    """They are written as soon as others would be."""
    written: list[bytes] = []
    messages = Messages(written.append, Redactor())
    record = json.dumps({"text": "x" * 1000}).encode()
    for _ in range(1000):
        messages.records("notes", [record], [{"file_size_bytes": 1}])
    before = sum(map(len, written))
    messages.flush()
    assert before > sum(map(len, written)) / 2
    lines = b"\n".join(written).splitlines()
    assert {json.loads(line)["record"]["file_reference"]["file_size_bytes"] for line in lines} == {
        1
    }
    assert len(lines) == 1000


def test_a_check_fetches_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That a stream can be read is known by its records."""
    with serving(api) as web:
        _, *call = words(tmp_path, web, None)
        [last] = ours(tmp_path, ["check", *call[:4]], monkeypatch)[-1:]
        assert last["connectionStatus"]["status"] == "SUCCEEDED"
        assert web.asked == ["/notes"]


def test_what_would_take_a_file_out_of_an_answer_is_not_looked_at(tmp_path: Path) -> None:
    """A `file_extractor` stands in the reference engine's schema alone: it does nothing."""
    with serving(api) as web:
        made = manifest(web)
    extractor = {"type": "DpathExtractor", "field_path": ["content"]}
    made["streams"][0]["file_uploader"]["file_extractor"] = extractor
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(made), "utf-8")
    done = CliRunner().invoke(cli, ["check", str(path)], obj=App())
    assert done.exit_code == 0
    assert "warning[airbyte-gap]: a file is the whole answer" in done.output


def test_files_without_names_get_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the document names none, each file has a name of its own."""
    (tmp_path / "in").mkdir()
    with serving(api) as web:
        messages = ours(tmp_path / "in", words(tmp_path, web, None), monkeypatch)
    found = [m["record"]["file_reference"] for m in messages if m["type"] == "RECORD"]
    assert len({one["source_file_relative_path"] for one in found}) == len(FILES)
    assert sorted(kept(tmp_path / "in").values()) == sorted(FILES.values())


def test_a_record_that_leads_nowhere_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record without the place of its file ends the stream, as in the reference engine."""

    def without(path: str, _query: dict[str, str]) -> tuple[int, Any]:
        return 200, {"notes": [{"id": 1, "title": "x", "file": {"at": 5}}]}

    with serving(without) as web:
        messages = ours(tmp_path, words(tmp_path, web, "x"), monkeypatch)
    assert not [m for m in messages if m["type"] == "RECORD"]
    assert any("where its file is" in json.dumps(m) for m in messages)
