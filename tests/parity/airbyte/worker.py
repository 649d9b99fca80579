"""Runs manifests with airbyte-cdk, one after the other: what the parity tests start as a process.

It imports nothing but the reference engine and what comes with it. Jobs come and results go as JSON
lines. Every request is sent to the test's own server; what would be slept is written down.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import sys
import tempfile
import threading
import time
import traceback
import types
from functools import lru_cache
from importlib.machinery import ModuleSpec
from typing import Any
from urllib.parse import urlsplit

os.environ["AIRBYTE_ENABLE_UNSAFE_CODE"] = "true"
LONG = 0.5  # seconds from which on a sleep is one of the engine's waits, not its polling

sleeps: list[float] = []
_sleep = time.sleep


def _slept(seconds: float) -> None:
    if "_leak_task" in threading.current_thread().name:
        _sleep(seconds)  # what empties the buckets of budgets, for as long as the process lives
    elif seconds >= LONG:
        sleeps.append(round(float(seconds), 3))
        _sleep(0.001)
    else:
        _sleep(seconds)


def redirect(port: int) -> None:
    """Send every request to the test's server, with the URL it was meant for in a header."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 (of this process only)

    send = HTTPAdapter.send

    def sent(self: Any, request: Any, **options: Any) -> Any:
        url = request.url
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        request.url = f"http://127.0.0.1:{port}{parts.path or '/'}{query}"
        request.headers["X-Asked-Url"] = f"{parts.scheme}://{parts.netloc}"
        try:
            response = send(self, request, **{**options, "proxies": {}, "timeout": 30})
        finally:
            request.url = url
            del request.headers["X-Asked-Url"]
        response.url = url
        return response

    HTTPAdapter.send = sent  # type: ignore[method-assign]  # on purpose


MOMENT = [dt.datetime(2024, 6, 15, tzinfo=dt.UTC)]  # where the engine's clocks stand


def freeze() -> None:
    """Let the engine's own clocks stand still, where they decide what is asked for."""
    import airbyte_cdk.utils.datetime_helpers as helpers  # noqa: PLC0415 (in the process that has the reference engine)
    from airbyte_cdk.sources.declarative.interpolation import macros  # noqa: PLC0415 (in the process that has the reference engine)

    class Same(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, dt.datetime)

    class Frozen(dt.datetime, metaclass=Same):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return MOMENT[0].astimezone(tz) if tz else MOMENT[0].replace(tzinfo=None)

    shim = types.ModuleType("datetime")
    vars(shim).update(vars(dt), datetime=Frozen)
    macros.datetime = shim
    fixed = helpers.AirbyteDateTime.from_datetime
    plain = helpers.ab_datetime_now
    for module in list(sys.modules.values()):
        if getattr(module, "ab_datetime_now", None) is plain:
            module.ab_datetime_now = lambda: fixed(MOMENT[0])  # type: ignore[attr-defined]  # on purpose


def parse_once() -> None:
    """Let the engine parse the schema of its components once, not with each manifest."""
    from airbyte_cdk.sources.declarative import (  # noqa: PLC0415 (in the process that has the reference engine)
        concurrent_declarative_source as engine,
    )

    engine.safe_load_yaml = lru_cache(maxsize=1)(engine.safe_load_yaml)  # type: ignore[assignment]  # the same, kept


def _note(out: dict[str, Any], m: Any) -> None:
    """Put a message where it belongs."""
    from airbyte_cdk.models import (  # noqa: PLC0415 (in the process that has the reference engine)
        AirbyteStateMessageSerializer,
        Type,
    )

    if m.type == Type.RECORD:
        out["records"].setdefault(m.record.stream, []).append(m.record.data)
    elif m.type == Type.STATE:
        dumped = AirbyteStateMessageSerializer.dump(m.state)
        state = json.loads(json.dumps(dumped, default=vars))
        stream = state["stream"]
        out["states"][stream["stream_descriptor"]["name"]] = stream.get("stream_state")
    elif m.type == Type.TRACE and m.trace.error:
        e = m.trace.error
        kind = e.failure_type.value if e.failure_type else None
        out["errors"].append([kind, e.message, (e.internal_message or "")[:300]])
    elif m.type == Type.TRACE and m.trace.stream_status:
        s = m.trace.stream_status
        out["status"][s.stream_descriptor.name] = s.status.value
    elif m.type == Type.CONTROL:
        out["control"].append(m.control.connectorConfig.config)


def messages(job: dict[str, Any]) -> dict[str, Any]:
    """Read the streams of a manifest; gives what the engine says of them."""
    from airbyte_cdk.models import (  # noqa: PLC0415 (in the process that has the reference engine)
        AirbyteStateMessageSerializer,
        ConfiguredAirbyteCatalogSerializer,
    )
    from airbyte_cdk.sources.declarative.concurrent_declarative_source import (  # noqa: PLC0415 (in the process that has the reference engine)
        ConcurrentDeclarativeSource,
    )

    held_classes(*job.get("classes") or ("", ()))
    out: dict[str, Any] = {"records": {}, "states": {}, "status": {}, "errors": [], "control": []}
    log = logging.getLogger("airbyte")
    config, states = job["config"], job.get("state") or []
    held = [AirbyteStateMessageSerializer.load(s) for s in states]

    def make(catalog: Any = None) -> Any:
        manifest = alone(*job["file"]) if job.get("file") else job["manifest"]
        manifest = json.loads(json.dumps(manifest))
        return ConcurrentDeclarativeSource(
            config=json.loads(json.dumps(config)),
            catalog=catalog,
            state=held,
            source_config=manifest,
        )

    try:
        if job.get("file") and job["file"][1]:
            names = [job["file"][1]]
        else:
            source = make()
            names = [s.name for s in source.streams(source._config)]
        mark()
        chosen = [n for n in names if not job.get("streams") or n in job["streams"]]
        out["names"] = names
        catalog = ConfiguredAirbyteCatalogSerializer.load({"streams": list(map(_wanted, chosen))})
        source = make(catalog)
        for m in source.read(log, source._config, catalog, held):
            _note(out, m)
    except BaseException as exc:  # noqa: BLE001 (what the engine raises is its answer)
        out["raised"] = f"{type(exc).__name__}: {exc}"[:1500]
        if not out["status"]:
            out["trace"] = traceback.format_exc()[-1500:]
    return out


def held_classes(file: str, names: list[str]) -> None:
    """Let the classes of a file be found in the modules that a manifest calls them after."""
    if not file:
        return
    with open(file, encoding="utf-8") as text:  # noqa: PTH123 (a script without other imports)
        code = compile(text.read(), file, "exec")
    made = types.ModuleType("classes_of_manifest")
    sys.modules[made.__name__] = made
    exec(code, vars(made))
    for name in names:
        above = name.split(".")[:-1]
        for end in range(1, len(above) + 1):
            held = types.ModuleType(".".join(above[:end]))
            held.__spec__ = ModuleSpec(held.__name__, None)  # for who looks for a file beside it
            sys.modules.setdefault(held.__name__, held)
        sys.modules[name] = made


def alone(file: str, stream: str) -> dict[str, Any]:
    """The manifest of a file with one of its streams alone, or with all where none is named."""
    whole = _resolved(file)
    if not stream:
        return whole
    left_out = {"streams", "dynamic_streams", "definitions", "schemas", "stream_groups"}
    kept = {k: v for k, v in whole.items() if k not in left_out}
    check = {"type": "CheckStream", "stream_names": [stream]}
    return {**kept, "check": check, "streams": [_named(whole["streams"], stream)]}


def _named(streams: list[Any], name: str) -> Any:
    """The stream of a name, also of those that stand under a condition."""
    for stream in streams:
        if stream.get("type") == "ConditionalStreams":
            found = [s for s in stream["streams"] if _name_of(s) == name]
            if found:
                return {**stream, "streams": found}
        elif _name_of(stream) == name:
            return stream
    raise KeyError(name)


def _name_of(stream: dict[str, Any]) -> Any:
    return stream.get("name") or (stream.get("$parameters") or {}).get("name")


@lru_cache(maxsize=1)
def _resolved(file: str) -> dict[str, Any]:
    import yaml  # noqa: PLC0415 (of this process only)
    from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import (  # noqa: PLC0415 (of this process only)
        ManifestReferenceResolver,
    )

    with open(file, encoding="utf-8") as text:  # noqa: PTH123 (a script without other imports)
        manifest = yaml.load(text, Loader=yaml.CSafeLoader)
    manifest = json.loads(json.dumps(manifest, default=str))
    manifest.setdefault("type", "DeclarativeSource")
    whole = dict(ManifestReferenceResolver().preprocess_manifest(manifest))
    without_files(whole)
    return whole


def without_files(value: Any) -> None:
    """Leave out schemas that stand in files: there are none beside the manifests that are run."""
    if isinstance(value, dict):
        loader = value.get("schema_loader")
        if isinstance(loader, dict) and not {"schema", "retriever", "class_name"} & set(loader):
            del value["schema_loader"]
        value = list(value.values())
    for item in value if isinstance(value, list) else ():
        without_files(item)


def _wanted(name: str) -> dict[str, Any]:
    modes = ["full_refresh", "incremental"]
    return {
        "stream": {"name": name, "json_schema": {}, "supported_sync_modes": modes},
        "sync_mode": "incremental",
        "destination_sync_mode": "append",
    }


def mark() -> None:
    """Tell the server that what was asked for so far does not count."""
    from urllib.request import urlopen  # noqa: PLC0415 (in the process that has the reference engine)

    urlopen(f"http://127.0.0.1:{PORT}/__mark").close()


PORT = 0


def main() -> None:
    """Take jobs until the other side closes."""
    global PORT  # noqa: PLW0603 (in the process that has the reference engine)
    out = os.fdopen(os.dup(1), "w")
    os.chdir(tempfile.mkdtemp())  # the engine leaves files of its downloads where it stands
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    first = json.loads(sys.stdin.readline())
    PORT = first["port"]
    time.sleep = _slept
    redirect(PORT)
    import airbyte_cdk.sources.declarative.concurrent_declarative_source  # noqa: F401, PLC0415 (loaded before the first case)
    from airbyte_cdk.sources.declarative.incremental.concurrent_partition_cursor import (  # noqa: PLC0415 (in the process that has the reference engine)
        ConcurrentPerPartitionCursor as Followed,
    )

    freeze()
    parse_once()
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        sleeps.clear()
        job = json.loads(line)
        MOMENT[0] = dt.datetime.fromisoformat(job["now"])
        Followed.SWITCH_TO_GLOBAL_LIMIT = job["most"]
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
            os.environ["REQUEST_CACHE_PATH"] = cache  # what one case keeps is nothing to the next
            done = messages(job)
        done["sleeps"] = list(sleeps)
        print(json.dumps(done, default=str), file=out, flush=True)


if __name__ == "__main__":
    main()
