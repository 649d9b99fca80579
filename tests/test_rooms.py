"""The rules of the house: who may import whom, and what happens in one place only."""

from __future__ import annotations

import ast

import pytest
from tests.sources import Import, Module, imports, modules

# What a room may import of this package, beside itself.
MAY_IMPORT = {
    "errors": (),
    "patterns": (),
    "arrow": ("plan",),
    "events": ("errors",),
    "codes": (),
    "plan": ("errors", "patterns"),
    "dialects": ("plan", "errors", "patterns"),
    "read": ("plan", "events", "errors", "patterns"),
    "shape": ("plan", "errors", "patterns", "arrow"),
    "destinations": ("shape", "plan", "errors", "patterns", "arrow"),
    "connectors": (),
    "emulator": ("errors",),
    "redact": ("plan", "patterns"),
    "values": ("plan", "errors", "patterns"),
    "engine": (
        *("dialects", "read", "shape", "destinations"),
        *("plan", "events", "errors", "redact", "values", "patterns"),
    ),
    "cli": (
        *("engine", "plan", "events", "errors", "codes", "redact", "values", "patterns"),
        *("connectors", "emulator"),
    ),
    "api": ("engine", "plan", "dialects", "events", "errors", "values"),
    "dlt": ("api", "engine", "dialects"),
    "penstock": ("api", "engine", "plan", "dialects", "events", "errors"),
    "__main__": ("cli",),
}

# Exceptions from the table, each with its reason.
EXCEPT_IMPORTS = {
    ("penstock.dialects.loading", "penstock.connectors"): "a bundled connector's name is a source",
    ("penstock.cli", "penstock"): "the version is answered before anything else is imported",
    ("penstock.cli.version", "penstock"): "the same, with options",
    (
        "penstock.dialects.dlt.standin.resources.opened",
        "penstock.dialects.dlt.standin.execute",
    ): "a script may go through the rows of a configuration, which is compiled for that",
}

# The floors of the stand-in for dlt, from the top, where scripts are executed, to the ground.
STANDIN = ("", "runs", "resources", "values", "rest_client", "common", "base")

# Where a library may be imported: by module or by room, with nothing else beside it.
ONLY_IN = {
    "jinja2": ("penstock.plan.jinja",),
    "pyreqwest": ("penstock.read.transport",),
    "aiohttp": ("penstock.emulator",),
    "duckdb": ("penstock.destinations.duckdb", "penstock.destinations._duckdb_"),
    "deltalake": ("penstock.destinations.delta", "penstock.destinations._delta_"),
    "obstore": ("penstock.destinations._lake_store",),
    "psycopg": ("penstock.destinations.postgres",),
    "pyarrow": (
        *("penstock.shape", "penstock.destinations", "penstock.arrow"),
        "penstock.dialects.dlt.standin.resources.frames",  # what scripts make of it
    ),
    "pyarrow.compute": ("penstock.arrow",),
    "rich": ("penstock.cli",),
    "click": ("penstock.cli",),
    "yaml": ("penstock.dialects.from_yaml",),
    "urllib.request": (),
    "http.client": (),
    "requests": (),
    "httpx": (),
}

STARTS_TASKS = {"create_task", "ensure_future", "gather", "TaskGroup", "run_coroutine_threadsafe"}
TASKS_IN = {
    "penstock.read.reader": "the only file that starts tasks",
    "penstock.read.python": "the document's own Python asks from a worker thread, which waits",
    "penstock.emulator.server": "a server starts a task for each connection, outside the engine",
}
RUNS_A_LOOP = {
    "penstock.engine.running": "a run is one loop",
    "penstock.engine.protocol.commands": "a command of the protocol is a loop of its own",
    "penstock.engine.outside": "a script that is executed asks in a loop of its own",
    "penstock.engine.reading": "reading without keeping is a loop of its own",
    "penstock.emulator.server": "a server is a loop of its own",
    "penstock.dialects.dlt.standin.resources.making": "an asynchronous function has its own",
}


def _room_of(module: Module) -> str:
    return "penstock" if module.name == "penstock" else module.room


def _within(name: str, places: tuple[str, ...]) -> bool:
    """Whether a module is one of the places, inside one, or begins with a private prefix."""
    return any(
        name == place or name.startswith(place if place.endswith("_") else f"{place}.")
        for place in places
    )


def test_every_room_has_a_line_in_the_table():
    """A new file or folder at the top of the package is a decision, made in this table."""
    rooms = {_room_of(m) for m in modules()}

    assert rooms <= set(MAY_IMPORT), "say in MAY_IMPORT what the new room may import"


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_what_it_may(room: str):
    """No room reaches into one it has no business with, not even inside a function."""
    wrong = [
        str(found)
        for found in imports()
        if _room_of(found.module) == room
        and found.top == "penstock"
        and found.room not in (room, *MAY_IMPORT[room])
        and (found.module.name, found.target) not in EXCEPT_IMPORTS
    ]

    assert wrong == []


@pytest.mark.parametrize("floor", STANDIN)
def test_a_floor_of_the_standin_imports_those_below_it(floor: str):
    """What a script builds does not know who runs it, and what is asked knows neither."""
    below = STANDIN[STANDIN.index(floor) :]
    wrong = [
        str(found)
        for found in imports()
        if not found.for_types
        and _floor(found.module.name) == floor
        and _floor(found.target) not in (None, *below)
        and (found.module.name, found.target) not in EXCEPT_IMPORTS
    ]

    assert wrong == []


def _floor(name: str) -> str | None:
    """The floor of the stand-in that a module is on, if it is on any."""
    parts = name.split(".")
    if parts[:4] != ["penstock", "dialects", "dlt", "standin"]:
        return None
    return parts[4] if len(parts) > 4 and parts[4] in STANDIN else ""


def test_every_exception_is_needed():
    """An exception whose import is gone goes too."""
    made = {(found.module.name, found.target) for found in imports()}

    assert set(EXCEPT_IMPORTS) <= made


@pytest.mark.parametrize("library", sorted(ONLY_IN))
def test_a_library_is_imported_in_its_place_only(library: str):
    """A driver, a client or a template engine can be exchanged by changing one place."""
    wrong = [
        str(found)
        for found in imports()
        if (found.target == library or found.target.startswith(f"{library}."))
        and not found.for_types
        and not _within(found.module.name, ONLY_IN[library])
    ]

    assert wrong == []


def test_no_room_imports_the_command_line():
    """The engine does not know who asks it."""
    wrong = [
        str(found)
        for found in imports()
        if found.target.startswith("penstock.cli")
        and _room_of(found.module) not in {"cli", "__main__"}
    ]

    assert wrong == []


def test_destinations_take_only_types_from_shape():
    """A destination is given tables; it never shapes any itself."""
    allowed = {"penstock.shape", "penstock.shape.schema"}
    wrong = [
        str(found)
        for found in imports()
        if found.module.room == "destinations"
        and found.room == "shape"
        and found.target not in allowed
    ]

    assert wrong == []


def test_private_files_stay_in_their_room():
    """A file whose name begins with an underscore is imported inside its own folder only."""
    wrong = [str(found) for found in imports() if _reaches_private(found)]

    assert wrong == []


def _reaches_private(found: Import) -> bool:
    folder, _, last = found.target.rpartition(".")
    private = last.startswith("_") and not last.startswith("__")
    return found.top == "penstock" and private and not found.module.name.startswith(folder)


def _started(tree: ast.AST) -> list[tuple[str, int]]:
    """Where a task may be started: an attribute of that name, or a name taken from asyncio."""
    taken = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "asyncio"
        for alias in node.names
    }
    used = [(n.attr, n.lineno) for n in ast.walk(tree) if isinstance(n, ast.Attribute)]
    used += [(n.id, n.lineno) for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id in taken]
    return [(name, line) for name, line in used if name in STARTS_TASKS]


def test_tasks_start_in_one_file():
    """Concurrency can be reasoned about because it begins in one place."""
    wrong = [
        f"{module.place}:{line} uses {name}"
        for module in modules()
        if module.name not in TASKS_IN
        for name, line in _started(module.tree)
    ]

    assert wrong == []
    reader = next(m for m in modules() if m.name == "penstock.read.reader")
    assert {name for name, _ in _started(reader.tree)} >= {"create_task", "TaskGroup"}


def test_event_loops_run_where_the_table_says():
    """A loop inside a loop, or one nobody closes, cannot happen by accident."""
    calls = [
        (module, node.lineno)
        for module in modules()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "asyncio.run"
    ]
    wrong = [f"{m.place}:{line}" for m, line in calls if m.name not in RUNS_A_LOOP]

    assert wrong == []
    assert calls, "the engine runs in a loop"


HEAVY = ("pyarrow", "duckdb", "aiohttp", "pyreqwest", "jinja2", "rich", "asyncio")


def test_compiling_a_document_imports_nothing_heavy(run_python):
    """`check` starts fast: what reads, shapes and keeps is imported by a run."""
    code = (
        "import sys; from penstock.engine import compile_source; compile_source('chat');"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )

    assert run_python(code) == "[]"


def test_importing_the_package_imports_none_of_its_rooms(run_python):
    """`import penstock` costs nothing until something of it is used."""
    code = (
        "import sys; import penstock;"
        "print([m for m in sys.modules if m.startswith('penstock.') or m == 'msgspec'])"
    )

    assert run_python(code) == "[]"
