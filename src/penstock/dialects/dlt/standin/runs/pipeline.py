"""`dlt.pipeline` and `dlt.destinations`: where a script's own run would put its rows."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from penstock.dialects.dlt.standin.base import arguments
from penstock.dialects.dlt.standin.base.errors import Refusal
from penstock.dialects.dlt.standin.base.lacking import lacking
from penstock.dialects.dlt.standin.base.marks import caller, comes_once, is_guarded
from penstock.dialects.dlt.standin.base.record import (
    AskedRun,
    activate,
    current,
    pipelines,
    refuse,
    remark,
    unfinished,
    unknown,
)
from penstock.dialects.dlt.standin.base.references import (
    ABSENT,
    Known,
    Reference,
    Sections,
    Unnamed,
    plain,
)
from penstock.dialects.dlt.standin.common.naming import schema_name
from penstock.dialects.dlt.standin.resources.factories import ResourceFactory, SourceFactory
from penstock.dialects.dlt.standin.resources.rows import handed
from penstock.dialects.dlt.standin.resources.sources import (
    DltResource,
    DltSource,
    flat,
    python_resource,
)
from penstock.dialects.dlt.standin.runs import conventions
from penstock.dialects.dlt.standin.runs.answers import LoadInfo, Trace
from penstock.dialects.dlt.standin.runs.beginning import begun, follows
from penstock.dialects.dlt.standin.runs.told import Told
from penstock.dialects.dlt.standin.values.specs import (
    BaseConfiguration,
    ConnectionStringCredentials,
    injected,
)

_HINTS = ("table_name", "write_disposition", "columns", "primary_key", "schema_contract")
_FRAMES = {"pandas", "polars", "pyarrow"}
_OF_SCHEMA = ("max_table_nesting", "schema_contract")  # what a source says of all its tables
_NOTHING = {"loader_file_format", "staging", "schema", "table_format", "pipelines_dir", "progress",
            "pipeline_salt", "import_schema_path", "export_schema_path", "_impl_cls"}  # fmt: skip


class Destination:
    """A destination by its kind, and where it is, as far as the script says."""

    def __init__(
        self, kind: str, credentials: Any = None, place: Any = None, name: str | None = None
    ) -> None:
        self.kind = kind
        self.credentials = credentials
        self.place = place
        self.naming: Any = None  # the convention that the script asks for
        self._name = name

    def __str__(self) -> str:
        return self.kind

    @property
    def destination_name(self) -> str:
        """What it is called."""
        return self._name or self.kind

    @property
    def destination_type(self) -> str:
        """What it is."""
        return self.kind

    def url(self, pipeline: str) -> str | None:
        """The destination as `--to` takes it, or None if nobody says enough."""
        said = self.place if self.place is not None else self.credentials
        said = self._around(pipeline) if said is None else said
        if isinstance(said, Reference):
            known = said.known()
            said = None if known is ABSENT else known
        if isinstance(said, Mapping):
            said = ConnectionStringCredentials(**said)
        if isinstance(said, ConnectionStringCredentials) and said.native is None:
            return self._of_parts(said, pipeline)
        said = said.to_native_representation() if isinstance(said, BaseConfiguration) else said
        text = str(said) if isinstance(said, (str, PurePath)) else None
        if self.kind == "duckdb":
            return self._file(text, pipeline) if said is None or text is not None else None
        if self.kind == "filesystem" and text is not None:
            return f"parquet:{text.removeprefix('file://')}"
        return text if self.kind == "postgres" else None

    def _around(self, pipeline: str) -> Any:
        """What the environment or a file of values says, where the script does not."""
        setting = "bucket_url" if self.kind == "filesystem" else "credentials"
        where = Sections(
            module="",
            name=self.destination_name,
            pipeline=pipeline,
            said=("destination", self.destination_name),
        )
        spec = ConnectionStringCredentials if self.kind in {"duckdb", "postgres"} else str
        return injected(setting, Unnamed(secret=True), spec, where)

    def _of_parts(self, said: ConnectionStringCredentials, pipeline: str) -> str | None:
        """The destination by the parts of its credentials, which may all be lacking."""
        if self.kind == "duckdb":
            return self._file(plain(said.database), pipeline)
        if self.kind != "postgres" or said.host is None or said.database is None:
            return None
        said.drivername = said.drivername or "postgresql"
        return str(said)

    def _file(self, text: str | None, pipeline: str) -> str:
        path = (text or f"{self._name or pipeline}.duckdb").removeprefix("duckdb:///")
        return path if path.endswith((".duckdb", ".db")) else f"duckdb://{path}"

    def lack(self) -> tuple[str, str]:
        """What is to be said where nobody says enough."""
        there = "the rows go to a DuckDB file"
        named = f"the script's destination {self.destination_name!r}"
        setting = _NEEDED.get(self.kind)
        if setting is None:
            return f"{named} is none that is known here", f"{there}; name another place with --to"
        given = self.place if self.place is not None else self.credentials
        if isinstance(given, Reference):
            return (
                f"nobody has said {given.name!r}, where {named} is",
                f"{there}; say it, or pass --to",
            )
        if given is not None:
            return f"{named} is given what is no place", f"{there}; name one with --to"
        variable = f"DESTINATION__{self.destination_name.upper()}__{setting}"
        return f"nothing says where {named} is", f"{there}; set {variable}, or pass --to"


_NEEDED = {"postgres": "CREDENTIALS", "filesystem": "BUCKET_URL", "duckdb": "CREDENTIALS"}


def maker(kind: str) -> Any:
    """The function `dlt.destinations.<kind>`."""

    def made(credentials: Any = None, **settings: Any) -> Destination:
        place = credentials if kind == "filesystem" else None
        found = Destination(
            kind,
            settings.get("credentials", credentials),
            settings.get("bucket_url", place),
            settings.get("destination_name"),
        )
        found.naming = settings.get("naming_convention")
        return found

    made.__name__ = kind
    return made


def destination(named: Any = None, /, **settings: Any) -> Any:
    """`dlt.destination`: one by its name, or a function of the script's that would take rows.

    A run does not call such a function: it says that the destination is none that is known.
    """
    if named is None:
        return lambda given: destination(given, **settings)
    if callable(named):
        return maker(str(settings.get("name") or getattr(named, "__name__", "destination")))
    said = settings.pop("destination_type", None)
    if said is not None:
        settings.setdefault("destination_name", str(named))
    return maker(_kind(said or named))(**settings)


def _kind(said: object) -> str:
    """The kind of a destination, which may be given with the module that has it."""
    return str(said).rpartition(".")[2]


def destination_of(said: Any, credentials: Any) -> Destination | None:
    """The destination that a script names, in whichever way; None where it names none."""
    match said:
        case None:
            return None
        case Destination():
            return said
        case str():
            plain = Reference.resolved(said) if isinstance(said, Reference) else said
            kind = Known.lookup(f"destination.{plain}.destination_type")
            if kind is ABSENT:
                return Destination(_kind(plain), credentials)
            return Destination(_kind(kind), credentials, name=str(plain))
        case _ if callable(said):
            return Destination(getattr(said, "__name__", "destination"), credentials)
        case _:
            raise unknown(f"destination {said!r}")


@lacking("LOCAL_STATE_PROPS", "STATE_FILE", "STATE_PROPS")
class Pipeline(Told):
    """A pipeline; its `run` is noted, and executed by Penstock after the script."""

    DEFAULT_DATASET_SUFFIX = "_dataset"

    def __init__(self, pipeline_name: str | None = None, **settings: Any) -> None:
        self.pipeline_name = pipeline_name or f"dlt_{PurePath(sys.argv[0]).stem}"
        self.dataset_name = settings.get("dataset_name")
        self.settings = settings
        self._asked: AskedRun | None = None
        self._schema: str | None = None
        self._default: str | None = None  # the schema of what is in no source
        self._kept: dict[str, Mapping[str, Any]] = {}  # what holds for the tables of each schema
        self._ran: list[DltSource] = []
        self._named = False  # whether a naming convention was told of
        self._destination = destination_of(settings.get("destination"), None)
        activate(self)
        if self.dev_mode:
            remark(
                "dev_mode makes no dataset of its own here: each run loads everything anew",
                "use --db-schema for another one",
            )

    @property
    def destination(self) -> Any:
        """The destination."""
        return self._destination

    def run(self, data: Any = None, **settings: Any) -> LoadInfo:
        """Note a run."""
        arguments.known("run", settings)
        activate(self)
        if data is None:
            return LoadInfo(self, self._asked)
        if _is_told(data):
            remark("what a run tells of itself is not loaded as rows", "see _penstock_receipts")
            return LoadInfo(self, self._asked)
        where = self._destination
        if settings.get("destination") is not None or settings.get("credentials") is not None:
            said = settings.get("destination") or where
            where = destination_of(said, settings.get("credentials"))
            if where is not None and settings.get("credentials") is not None:
                where = Destination(where.kind, settings["credentials"], where.place)
            self._destination = where
        sources = _sources(data, settings.get("table_name"))
        self._take(sources, settings.get("schema_contract"))
        homes = [f"{self.pipeline_name}/{self._schema_of(source)}" for source in sources]
        hints = {k: settings[k] for k in _HINTS if settings.get(k) is not None}
        sources = _hinted(sources, hints)
        self.dataset_name = settings.get("dataset_name") or self.dataset_name
        dataset = self.dataset_name or f"{self.pipeline_name}_dataset"
        refresh = settings.get("refresh") or self.refresh
        self._asked = self._note(sources, homes, where, str(dataset), refresh=refresh)
        return LoadInfo(self, self._asked)

    def _take(self, sources: list[DltSource], contract: Any) -> None:
        """What a source says of its schema holds for what is in no source, as in dlt.

        That has the schema of the first run. What the last source of that name says counts, and
        the `contract` of a run, until the next one says otherwise, or nothing. Of several in one
        run it holds for all of them.
        """
        listed = sorted(((self._schema_of(one), one) for one in sources), key=lambda pair: pair[0])
        self._default = self._default or listed[0][0]
        held = dict(self._kept.get(schema_name(self._default), {}))
        said = {} if contract is None else {"schema_contract": contract}
        fresh = [pair for pair in listed if all(pair[1] is not one for one in self._ran)]
        for name, source in listed:
            if isinstance(source, _Loose):
                source.own_settings.update(held)
            own = {k: v for k, v in source.own_settings.items() if k in _OF_SCHEMA}
            again = (name, source) not in fresh  # it has had the schema itself since then
            kept = self._kept.get(schema_name(name), {}) if again else own
            self._kept[schema_name(name)] = {**kept, **said}
        for name, source in fresh if len(fresh) > 1 else ():
            for key in _OF_SCHEMA:
                source.own_settings.pop(key, None)
            source.own_settings.update(self._kept[schema_name(name)])
        self._ran += [source for _, source in fresh]
        self._schema = listed[0][0]

    def home(self, source: str | None) -> str:
        """Itself, and the source whose state is meant; that of what is in none without a name."""
        return f"{self.pipeline_name}/{source or self._default or schema_name(self.pipeline_name)}"

    def _schema_of(self, source: DltSource) -> str:
        """The name of the schema that a source is loaded with."""
        if isinstance(source, _Loose):
            return self._default or schema_name(self.pipeline_name)
        return str(source.name or "rest_api")  # as dlt calls one that has no name

    def _note(
        self,
        sources: list[DltSource],
        homes: list[str],
        where: Destination | None,
        dataset: str,
        *,
        refresh: Any,
    ) -> AskedRun:
        url = where.url(self.pipeline_name) if where is not None else None
        if where is not None and url is None:
            remark(*where.lack())
        self._named = self._named or conventions.tell(map(self._schema_of, sources), where)
        asked = begun(AskedRun(
            pipeline=self.pipeline_name,
            schema=self.schema_called,
            sources=tuple(sources),
            homes=tuple(homes),
            destination=url,
            dataset=schema_name(dataset),
            fresh=self.dev_mode,
            refresh=str(refresh) if refresh else None,
            spot=caller(),
        ))  # fmt: skip
        here = current()
        here.runs.append(asked)
        if here.load is not None and asked.seen is not None and _is_for_now(asked):
            here.load(here.left)
        return asked

    def extract(self, data: Any, **settings: Any) -> LoadInfo:
        """The first third of a run; the others do nothing more."""
        return self.run(data, **settings)

    def normalize(self, *_: Any, **__: Any) -> LoadInfo:
        """Part of a run."""
        return LoadInfo(self, self._asked)

    def load(self, *_: Any, **__: Any) -> LoadInfo:
        """Part of a run."""
        return LoadInfo(self, self._asked)

    def drop(self, *_: Any, **__: Any) -> Pipeline:
        """Housekeeping of dlt's own files, which there are none of: the tables stay, as in dlt."""
        return self

    def _nothing(self, *_: Any, **__: Any) -> None:
        """The same."""

    sync_destination = drop_pending_packages = deactivate = sync_schema = _nothing

    def activate(self) -> None:
        """Let it be the one that `dlt.pipeline()` gives."""
        activate(self)

    def __getattr__(self, name: str) -> Any:
        raise unfinished(f"pipeline.{name}", name)


def _is_for_now(asked: AskedRun) -> bool:
    """Whether a run is done at once: later its functions, or the script, would find otherwise.

    What follows a cursor waits for others of its kind, each of which keeps a cursor of its own.
    """
    if asked.seen.at_once:
        return True
    listed = (one for source in asked.sources for one in source.own_resources)
    return (asked.seen.reads or is_guarded()) and (comes_once() or not any(map(follows, listed)))


def _is_told(data: Any) -> bool:
    """Whether rows are what a run told of itself, and no rows."""
    listed = data if isinstance(data, (list, tuple)) else [data]
    return bool(listed) and all(isinstance(one, (LoadInfo, Trace)) for one in listed)


class _Loose(DltSource):
    """Resources and rows that a run is given without a source."""


def _sources(data: Any, table: Any = None) -> list[DltSource]:
    """What is to be loaded, as sources; loose resources make one, and so do rows."""
    match data:
        case DltSource():
            return [data]
        case SourceFactory():
            return [data()]
        case DltResource():
            return [_Loose(None, [data])]
        case ResourceFactory():
            return [_Loose(data.name, flat(data, "the run"))]
        case list() | tuple() if any(isinstance(d, (DltSource, SourceFactory)) for d in data):
            return [one for item in data for one in _sources(item)]
        case list() | tuple() if any(isinstance(d, (DltResource, ResourceFactory)) for d in data):
            return [_Loose(None, flat(data, "the run"))]
        case _:
            return [_Loose(None, [_handed_over(data, table)])]


def _handed_over(data: Any, table: Any) -> DltResource:
    """Rows that are handed to a run: a list, whatever is iterated, or a function that gives them.

    Raises:
        Refusal: they are in a form that is not read, or nothing names their table.
    """
    name = table or getattr(data, "__name__", None)
    kind = type(data)
    is_frame = kind.__module__.partition(".")[0] in _FRAMES
    if not (isinstance(data, Iterable) or callable(data) or is_frame):
        hint = "hand over a list of dicts, or a function that yields them"
        raise refuse(Refusal(f"a run is given {kind.__name__}, which holds no rows", hint))
    if not isinstance(name, str):
        hint = 'give run a table_name: pipeline.run(data, table_name="NAME")'
        raise refuse(Refusal("a run is given rows, and nothing names their table", hint))
    rows = [data] if isinstance(data, Mapping) or is_frame else data
    return python_resource(name, rows if callable(rows) else handed(rows, name))


def _hinted(sources: list[DltSource], hints: dict[str, Any]) -> list[DltSource]:
    """The sources with the hints of a run; a resource that is alone is called after its table.

    So it may be run again for another table, with other arguments or the same ones.
    """
    table = hints.get("table_name")
    if isinstance(table, str) and len(sources) == 1 and len(sources[0].own_resources) == 1:
        sources = [sources[0].for_table(table)]
    for source in sources:
        for resource in _extracted(source):
            resource.apply_hints(**hints)
    return sources


def _extracted(source: DltSource) -> list[DltResource]:
    """What a run reads of a source: what is loaded, and what that is fed by."""
    found: list[DltResource] = []
    left = [one for one in source.own_resources if one.selected]
    while left:
        one = left.pop(0)
        if all(one is not known for known in found):
            found.append(one)
            left += [one.parent] if one.parent is not None else []
    return found


def pipeline(pipeline_name: str | None = None, *args: Any, **settings: Any) -> Pipeline:
    """A pipeline; without any argument the active one, which was made or has run last."""
    if pipeline_name is None and not args and not settings and pipelines:
        last: Pipeline = pipelines[-1]
        return last
    names = ("pipelines_dir", "pipeline_salt", "destination", "staging", "dataset_name")
    return Pipeline(pipeline_name, **dict(zip(names, args, strict=False)), **settings)


def attach(pipeline_name: str | None = None, *_: Any, **settings: Any) -> Pipeline:
    """The pipeline of that name, as the script made it, or one that has not loaded anything."""
    made = (one for one in reversed(pipelines) if pipeline_name in {None, one.pipeline_name})
    found: Pipeline | None = next(made, None)
    if found is None:
        return Pipeline(pipeline_name, **settings)
    activate(found)
    return found


def run(data: Any, **settings: Any) -> LoadInfo:
    """`dlt.run`: a run of the active pipeline, or of one without settings."""
    made = {"dev_mode": settings.pop("dev_mode")} if "dev_mode" in settings else {}
    asked: LoadInfo = pipeline(**made).run(data, **settings)
    return asked
