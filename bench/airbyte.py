"""Penstock beside airbyte-cdk: the same manifests, the same server, CPU and wall time of each.

Run as `python bench/airbyte.py [--repeat N] [--only NAME]`. The other engine is run by the Python
that PENSTOCK_CDK_PYTHON names, or by this one where airbyte-cdk can be imported.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import msgspec
import yaml

from common import Measured, cpus, environment, medians, penstock, watched

PAGE = 1_000
PARTITIONS = 3_000
SLOW_PAGES = 400
LATENCY = 0.05  # seconds
SLOW_SIZE = 10
BIG = 1_000_000  # bytes of the large manifest
_CDK = "from airbyte_cdk.cli.source_declarative_manifest import run; run()"


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """A measured call: a command of the protocol on a manifest, and how many records it gives."""

    name: str
    manifest: dict[str, Any]
    command: str = "read"
    records: int = 0


# The server.


def record(number: int) -> dict[str, Any]:
    """A nested record of about 700 bytes of JSON."""
    return {
        "id": number,
        "created_at": f"2024-01-{number % 28 + 1:02d}T08:{number % 60:02d}:00Z",
        "status": ("open", "closed", "waiting")[number % 3],
        "amount": number * 1.25,
        "tags": ["alpha", "beta", f"t{number % 17}"],
        "customer": {
            "id": f"c-{number % 5000}",
            "name": f"Customer number {number % 5000}",
            "address": {"street": f"{number % 300} Long Street", "city": "Aarhus", "zip": "8000"},
        },
        "lines": [
            {"sku": f"sku-{number % 900}-{line}", "quantity": line + 1, "price": 9.75 + line}
            for line in range(4)
        ],
        "note": "A sentence about this order that nobody reads, but every API sends along. " * 2,
    }


def answer(target: str, total: int) -> bytes:
    """The body for a request."""
    url = urlsplit(target)
    asked = {name: values[-1] for name, values in parse_qs(url.query).items()}
    if url.path.startswith("/parts/"):
        return json.dumps({"rows": [record(int(url.path.rpartition("/")[2]))]}).encode()
    size, last = (SLOW_SIZE, SLOW_SIZE * SLOW_PAGES) if url.path == "/slow" else (PAGE, total)
    first = (int(asked.get("page", "1")) - 1) * size
    rows = [record(n) for n in range(first, min(first + size, last))]
    return json.dumps({"rows": rows}).encode()


class Handler(asyncio.Protocol):
    """HTTP/1.1 as far as both engines need it: requests without bodies, on kept connections."""

    bodies: ClassVar[dict[str, bytes]] = {}
    total = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        self.transport: Any = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
            self.reply(head.split(b" ", 2)[1].decode())

    def reply(self, target: str) -> None:
        """Send the answer, late if it is to be slow."""
        body = self.bodies.get(target)
        if body is None:
            body = self.bodies[target] = answer(target, self.total)
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        text = head.encode() + b"\r\n\r\n" + body
        if target.startswith("/slow"):
            asyncio.get_running_loop().call_later(LATENCY, self.transport.write, text)
        else:
            self.transport.write(text)


async def serve(total: int) -> None:
    """Serve for good; the port is the first line of the output."""
    Handler.total = total
    server = await asyncio.get_running_loop().create_server(Handler, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def api(total: int) -> Iterator[str]:
    """The server in a process of its own; gives its URL."""
    command = [sys.executable, __file__, "--serve", str(total)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


# The manifests.


def stream(base: str, path: str, **more: Any) -> dict[str, Any]:
    """A stream whose records stand under `rows`."""
    retriever = {
        "type": "SimpleRetriever",
        "requester": {"type": "HttpRequester", "url_base": base, "path": path},
        "record_selector": {
            "type": "RecordSelector",
            "extractor": {"type": "DpathExtractor", "field_path": ["rows"]},
            **more.pop("selector", {}),
        },
        **more.pop("retriever", {}),
    }
    loader = {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": {}}}
    return {
        "type": "DeclarativeStream",
        "name": "orders",
        "primary_key": "id",
        "schema_loader": loader,
        "retriever": retriever,
        **more,
    }


def pages(size: int) -> dict[str, Any]:
    """Page numbers, whose pages do not depend on one another."""
    return {
        "paginator": {
            "type": "DefaultPaginator",
            "page_token_option": {
                "type": "RequestOption",
                "inject_into": "request_parameter",
                "field_name": "page",
            },
            "pagination_strategy": {
                "type": "PageIncrement",
                "page_size": size,
                "start_from_page": 1,
                "inject_on_first_request": True,
            },
        }
    }


def manifest(*streams: dict[str, Any], workers: int | None = 10) -> dict[str, Any]:
    """A manifest of these streams; most real ones say nothing of `workers`."""
    level = {"type": "ConcurrencyLevel", "default_concurrency": workers}
    return {
        "version": "7.0.0",
        "type": "DeclarativeSource",
        "check": {"type": "CheckStream", "stream_names": [streams[0]["name"]]},
        "spec": {"type": "Spec", "connection_specification": {"type": "object", "properties": {}}},
        **({"concurrency_level": level} if workers else {}),
        "streams": list(streams),
    }


def large(base: str) -> dict[str, Any]:
    """A manifest of a megabyte: many streams with schemas."""
    properties = {f"field_{n}": {"type": ["string", "null"]} for n in range(60)}
    schema = {"type": "InlineSchemaLoader", "schema": {"type": "object", "properties": properties}}
    one = len(yaml.safe_dump(stream(base, "/records", schema_loader=schema)))
    many = [
        stream(base, "/records", name=f"stream_{n}", schema_loader=json.loads(json.dumps(schema)))
        for n in range(BIG // one + 1)
    ]
    return manifest(*many)


def loads(base: str, total: int) -> tuple[Load, ...]:
    """Everything that is measured."""
    added = [
        {"path": ["source"], "value": "shop"},
        {"path": ["label"], "value": "{{ record['status'] }}-{{ record['id'] }}"},
    ]
    fields = [{"type": "AddedFieldDefinition", **field} for field in added]
    changing = stream(
        base,
        "/records",
        retriever=pages(PAGE),
        selector={
            "record_filter": {"type": "RecordFilter", "condition": "{{ record['id'] >= 0 }}"}
        },
        transformations=[{"type": "AddFields", "fields": fields}],
    )
    router = {
        "type": "ListPartitionRouter",
        "cursor_field": "part",
        "values": [str(n) for n in range(PARTITIONS)],
    }
    parted = stream(
        base, "/parts/{{ stream_partition.part }}", retriever={"partition_router": router}
    )
    plain, slow = (
        stream(base, "/records", retriever=pages(PAGE)),
        stream(base, "/slow", retriever=pages(SLOW_SIZE)),
    )
    return (
        Load(name="extract", manifest=manifest(plain), records=total),
        Load(name="transform", manifest=manifest(changing), records=total),
        Load(name="partitions", manifest=manifest(parted), records=PARTITIONS),
        Load(name="latency", manifest=manifest(slow, workers=None), records=SLOW_PAGES * SLOW_SIZE),
        Load(name="check-1mb", manifest=large(base), command="check"),
    )


# The engines.


def peer() -> list[str] | None:
    """The command of the other engine, if there is one."""
    python = os.environ.get("PENSTOCK_CDK_PYTHON")
    if python is None and importlib.util.find_spec("airbyte_cdk") is not None:
        python = sys.executable
    return None if python is None else [python, "-c", _CDK]


def written(load: Load, folder: Path) -> list[str]:
    """The files of a call, as options."""
    names = [s["name"] for s in load.manifest["streams"]]
    streams = [
        {
            "stream": {"name": n, "json_schema": {}, "supported_sync_modes": ["full_refresh"]},
            "sync_mode": "full_refresh",
            "destination_sync_mode": "append",
        }
        for n in names
    ]
    (folder / "manifest.yaml").write_text(yaml.safe_dump(load.manifest, sort_keys=False))
    (folder / "config.json").write_text("{}")
    (folder / "catalog.json").write_text(json.dumps({"streams": streams}))
    options = [load.command, "--manifest-path", "manifest.yaml", "--config", "config.json"]
    return [*options, "--catalog", "catalog.json"] if load.command == "read" else options


def once(load: Load, command: list[str]) -> Measured:
    """One call to its end; its records are counted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words = [*command, *written(load, folder)]
        started = time.perf_counter()
        with (folder / "out").open("wb") as out:
            process = subprocess.Popen(words, cwd=folder, stdout=out, env=environment())
            with watched(process.pid) as peak:
                _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        found = sum(line.startswith(b'{"type":"RECORD"') for line in (folder / "out").open("rb"))
    if status or found != load.records:
        raise SystemExit(f"{load.name}: {command[0]} ended with {status}, {found} records")
    cpu, most = used.ru_utime + used.ru_stime, max(peak[0], used.ru_maxrss / 1024)
    return Measured(wall, cpu, most, "")


def compare(load: Load, repeat: int) -> None:
    """Measure both engines in turn and print the figures."""
    other = peer()
    ours: list[Measured] = []
    theirs: list[Measured] = []
    for _ in range(repeat):
        ours.append(once(load, penstock("airbyte")))
        if other is not None:
            theirs.append(once(load, other))
    print(medians(f"{load.name}: penstock", ours, load.records), flush=True)
    if theirs:
        print(medians(f"{load.name}: airbyte-cdk", theirs, load.records))
        pairs = list(zip(ours, theirs, strict=True))
        cpu = sorted(their.cpu / our.cpu for our, their in pairs)[len(pairs) // 2]
        wall = sorted(their.wall / our.wall for our, their in pairs)[len(pairs) // 2]
        print(f"{load.name + ': ratio':34} cpu {cpu:.1f} x   wall {wall:.1f} x", flush=True)


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--only", default="")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve is not None:
        asyncio.run(serve(options.serve))
        return
    print(cpus())
    with api(options.records) as base:
        for load in loads(base, options.records):
            if options.only in load.name:
                compare(load, options.repeat)


if __name__ == "__main__":
    main()
