"""A scripted API, a folder with a manifest and its components.py, and both engines that read it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from penstock.dialects import compile_document, load
from penstock.engine.reading import read_stream

SKIPPED = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length"}


class Asked:
    """A request as a route sees it; `nth` counts those of its path, from 1."""

    def __init__(self, handler, body, nth):
        parts = urlsplit(handler.path)
        self.method, self.path, self.body, self.nth = handler.command, parts.path, body, nth
        self.query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self.headers = {k.lower(): v for k, v in handler.headers.items()}

    @property
    def json(self):
        """The body as JSON."""
        return json.loads(self.body or b"null")

    @property
    def form(self):
        """The body as a form."""
        return dict(parse_qsl(self.body.decode()))

    def seen(self):
        """What two engines have to agree on."""
        body = self.body.decode()
        if "json" in self.headers.get("content-type", ""):
            body = json.dumps(json.loads(body), sort_keys=True)
        elif body:
            body = json.dumps(sorted(parse_qsl(body)))
        kept = {k: v for k, v in self.headers.items() if k not in SKIPPED}
        kept.pop("content-type", None)
        query = tuple(sorted(self.query.items()))
        return self.method, self.path, query, tuple(sorted(kept.items())), body


class Api:
    """An API on a socket of its own; `route` gives a value, or `(status, headers, body)`."""

    def __init__(self, route):
        self.asked = []
        self.counts = Counter()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                with lock:
                    api.counts[self.path] += 1
                    asked = Asked(self, body, api.counts[self.path])
                    api.asked.append(asked)
                given = route(asked)
                status, headers, content = given if isinstance(given, tuple) else (200, {}, given)
                if not isinstance(content, bytes):
                    content = json.dumps(content).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if "content-type" not in {n.lower() for n in headers}:
                    self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = answer  # noqa: N815 (the names the server looks for)

        lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self):
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def seen(self):
        """The requests so far, in no order, and forget them."""
        found = Counter(asked.seen() for asked in self.asked)
        self.asked.clear()
        self.counts.clear()
        return found


def folder(path: Path, manifest, code):
    """Write a manifest and its components.py."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "manifest.yaml").write_text(json.dumps(manifest), "utf-8")
    if code is not None:
        (path / "components.py").write_text(code, "utf-8")
    return str(path / "manifest.yaml")


def compiled(file, config=None):
    """The plan of a manifest, and what there is to say about it."""
    return compile_document(load(file), config)


def penstock(file, config, streams):
    """What Penstock reads of each stream."""
    source = compiled(file, config).need()
    return {
        name: [json.loads(record) for record in read_stream(source, config, name)]
        for name in streams
    }


def interpreter():
    """The Python that has airbyte-cdk, or None."""
    named = os.environ.get("PENSTOCK_CDK_PYTHON")
    if named:
        return named
    return sys.executable if importlib.util.find_spec("airbyte_cdk") else None


class Oracle:
    """A process that reads cases with airbyte-cdk."""

    def __init__(self, python):
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name("oracle.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def read(self, **case):
        """What it reads, the schemas it tells, and what went wrong."""
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        """End it."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(20)


def unordered(records):
    """Records in no order."""
    return sorted(json.dumps(record, sort_keys=True) for record in records)
