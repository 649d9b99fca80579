"""Run by the reference engine's own Python: calls its command line, several times in a process.

Reads a JSON list of calls, each a list of words; writes a JSON list of [exit code, messages]. The
word `own-spec` stands for the spec of the manifest, which the engine's command line does not tell.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from typing import Any, NoReturn

from airbyte_cdk.cli.source_declarative_manifest import _run
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import AirbyteMessage, Type


def _called(words: list[str]) -> None:
    if words[0] != "own-spec":
        _run.handle_command(words)
        return
    source = _run.create_declarative_source(["check", *words[1:]])
    told = source.spec(logging.getLogger("airbyte"))
    message = AirbyteMessage(type=Type.SPEC, spec=told)
    print(AirbyteEntrypoint.airbyte_message_to_string(message))  # noqa: T201 (its output)


def _answer(words: list[str]) -> list[Any]:
    """A call in a process of its own: the engine keeps what it once took for its output."""
    with tempfile.TemporaryFile("w+b") as out:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            _end(words)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        lines = [json.loads(line) for line in out if line.strip()]
    return [os.waitstatus_to_exitcode(status), lines]


def _end(words: list[str]) -> NoReturn:
    code = 0
    try:
        _called(words)
    except Exception:  # noqa: BLE001 (the engine's own hook tells it)
        code = 1
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]  # an exception is at hand
    sys.stdout.flush()
    os._exit(code)


calls = json.load(sys.stdin)
print(json.dumps([_answer(words) for words in calls]))  # noqa: T201 (its answer)
