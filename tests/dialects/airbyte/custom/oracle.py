"""Runs manifests with airbyte-cdk: one JSON object a line in, what it read a line out.

It is executed by the interpreter that has airbyte-cdk, never imported by the tests.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import types

os.environ["AIRBYTE_ENABLE_UNSAFE_CODE"] = "true"
logging.disable(logging.CRITICAL)


def load(code):
    """Make a components.py known as the engine expects it."""
    module = types.ModuleType("source_declarative_manifest.components")
    for name in ("components", "source_declarative_manifest.components"):
        sys.modules[name] = module
    sys.modules.setdefault(
        "source_declarative_manifest", types.ModuleType("source_declarative_manifest")
    )
    exec(compile(code, "components.py", "exec"), module.__dict__)


def parse_once():
    """Let the engine parse the schema of its components once, not with each manifest."""
    from functools import lru_cache  # noqa: PLC0415 (used here only)

    from airbyte_cdk.sources.declarative import (  # noqa: PLC0415 (only this process has it)
        concurrent_declarative_source as engine,
    )

    engine.safe_load_yaml = lru_cache(maxsize=1)(engine.safe_load_yaml)


def states(given):
    """A state file as the engine takes it."""
    from airbyte_cdk.models import (  # noqa: PLC0415 (only this process has it)
        AirbyteStateMessageSerializer,
    )

    return [AirbyteStateMessageSerializer.load(state) for state in given or []]


def run(case, messages):
    """Read every stream of a case."""
    from airbyte_cdk.models import (  # noqa: PLC0415 (only this process has it)
        ConfiguredAirbyteCatalogSerializer,
        Type,
    )
    from airbyte_cdk.sources.declarative.concurrent_declarative_source import (  # noqa: PLC0415 (the same)
        ConcurrentDeclarativeSource,
    )

    log = logging.getLogger("airbyte")
    config, given = case["config"], states(case.get("state"))

    def source(catalog=None):
        return ConcurrentDeclarativeSource(
            config=config, catalog=catalog, state=given, source_config=case["manifest"]
        )

    streams = source().discover(log, config).streams
    messages["schemas"] = {s.name: s.json_schema for s in streams}
    wanted = [s for s in streams if not case.get("only") or s.name in case["only"]]
    catalog = ConfiguredAirbyteCatalogSerializer.load(
        {
            "streams": [
                {
                    "stream": {
                        "name": s.name,
                        "json_schema": {},
                        "supported_sync_modes": [m.value for m in s.supported_sync_modes],
                    },
                    "sync_mode": "full_refresh",
                    "destination_sync_mode": "append",
                }
                for s in wanted
            ]
        }
    )
    for message in source(catalog).read(log, config, catalog, given):
        if message.type == Type.RECORD:
            records = messages["records"].setdefault(message.record.stream, [])
            records.append(message.record.data)


def main():
    """Answer one case after the other."""
    out = sys.stdout
    sys.stdout = sys.stderr
    parse_once()
    for line in sys.stdin:
        case = json.loads(line)
        sleeps = []
        slept = time.sleep
        time.sleep = lambda s: sleeps.append(s) if s >= 0.5 else slept(s)  # noqa: B023 (used now)
        messages = {"records": {}, "schemas": {}, "error": None}
        try:
            load(case["code"])
            run(case, messages)
        except Exception as exc:  # noqa: BLE001 (whatever the engine raises is an answer)
            messages["error"] = f"{type(exc).__name__}: {exc}"
        finally:
            time.sleep = slept
        messages["sleeps"] = sleeps
        out.write(json.dumps(messages, default=str) + "\n")
        out.flush()


main()
