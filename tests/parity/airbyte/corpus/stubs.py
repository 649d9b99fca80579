"""Classes that stand in for those a manifest names and nobody has: each does what is usual.

A class of the manifest's own is a subclass of one of the reference engine's, and what it changes is
not known. These change nothing, or one plain thing that shows that they were called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.parity.airbyte.corpus.reading import walk

_HEAD = """
from dataclasses import InitVar, dataclass, field
from typing import Any, Mapping

from airbyte_cdk.sources.declarative.auth import DeclarativeOauth2Authenticator
from airbyte_cdk.sources.declarative.auth.declarative_authenticator import DeclarativeAuthenticator
from airbyte_cdk.sources.declarative.auth.token import BasicHttpAuthenticator
from airbyte_cdk.sources.declarative.decoders.decoder import Decoder
from airbyte_cdk.sources.declarative.decoders.json_decoder import JsonDecoder
from airbyte_cdk.sources.declarative.extractors.dpath_extractor import DpathExtractor
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.extractors.record_filter import RecordFilter
from airbyte_cdk.sources.declarative.migrations.state_migration import StateMigration
from airbyte_cdk.sources.declarative.partition_routers.substream_partition_router import (
    SubstreamPartitionRouter,
)
from airbyte_cdk.sources.declarative.requesters.error_handlers.backoff_strategy import (
    BackoffStrategy,
)
from airbyte_cdk.sources.declarative.requesters.error_handlers.default_error_handler import (
    DefaultErrorHandler,
)
from airbyte_cdk.sources.declarative.requesters.http_requester import HttpRequester
from airbyte_cdk.sources.declarative.requesters.paginators.strategies.page_increment import (
    PageIncrement,
)
from airbyte_cdk.sources.declarative.retrievers.simple_retriever import SimpleRetriever
from airbyte_cdk.sources.declarative.schema.schema_loader import SchemaLoader
from airbyte_cdk.sources.declarative.transformations import RecordTransformation
from airbyte_cdk.sources.declarative.transformations.add_fields import AddFields
from airbyte_cdk.sources.utils.transform import TransformConfig, TypeTransformer
"""

# A class for each use: the kind that it stands for, and its text.
_PLAIN = "@dataclass\nclass {name}({base}):\n    pass\n"
_ROOT = """
@dataclass
class {name}(RecordExtractor):
    config: Mapping[str, Any]
    parameters: InitVar[Mapping[str, Any]]
    decoder: Decoder = field(default_factory=lambda: JsonDecoder(parameters={{}}))

    def __post_init__(self, parameters):
        pass

    def extract_records(self, response):
        for body in self.decoder.decode(response):
            yield from body if isinstance(body, list) else [body]
"""
_CHOOSING = """
@dataclass
class {name}(DeclarativeAuthenticator):
    config: Mapping[str, Any]
    basic_auth: BasicHttpAuthenticator

    def __new__(cls, basic_auth, config, *args, **kwargs):
        return basic_auth
"""
_SIGNING = """
@dataclass
class {name}(DeclarativeAuthenticator):
    config: Mapping[str, Any]

    @property
    def auth_header(self):
        return "Authorization"

    @property
    def token(self):
        return "Bearer of-{name}"
"""
_CHANGING = """
class {name}(RecordTransformation):
    def transform(self, record, config=None, stream_state=None, stream_slice=None):
        record["changed_by"] = "{name}"
"""
_KEEPING = """
@dataclass
class {name}(RecordFilter):
    def filter_records(
        self, records, stream_state=None, stream_slice=None, next_page_token=None
    ):
        yield from records
"""
_MIGRATING = """
class {name}(StateMigration):
    def should_migrate(self, stream_state):
        return False

    def migrate(self, stream_state):
        return stream_state
"""
_WAITING = """
class {name}(BackoffStrategy):
    def backoff_time(self, response_or_exception, attempt_count):
        return 7.0
"""
_CASTING = """
class {name}(TypeTransformer):
    def __init__(self, *args, **kwargs):
        super().__init__(TransformConfig.DefaultSchemaNormalization)
"""
_TELLING = """
@dataclass
class {name}(SchemaLoader):
    config: Mapping[str, Any]

    def get_json_schema(self):
        return {{"type": "object", "properties": {{}}}}
"""
_BASES = {
    "CustomPartitionRouter": "SubstreamPartitionRouter",
    "CustomRequester": "HttpRequester",
    "CustomPaginationStrategy": "PageIncrement",
    "CustomErrorHandler": "DefaultErrorHandler",
    "CustomRetriever": "SimpleRetriever",
}
_TEXTS = {
    "CustomRecordFilter": _KEEPING,
    "CustomStateMigration": _MIGRATING,
    "CustomBackoffStrategy": _WAITING,
    "CustomSchemaNormalization": _CASTING,
    "CustomSchemaLoader": _TELLING,
}


def custom(value: Any) -> Iterator[dict[str, Any]]:
    """Every component whose behaviour is a class."""
    return (part for part in walk(value) if "class_name" in part)


def stands_for(part: dict[str, Any]) -> str:
    """The component that a class does the work of; empty where there is none."""
    match part.get("type"):
        case "CustomRecordExtractor":
            return "DpathExtractor"
        case "CustomAuthenticator" if "token_refresh_endpoint" in part:
            return "OAuthAuthenticator"
        case "CustomAuthenticator":
            return "BasicHttpAuthenticator" if "username" in part else "NoAuth"
        case "CustomTransformation" if "fields" in part:
            return "AddFields"
        case kind:
            return _BASES.get(str(kind), "")


def known(stream: dict[str, Any]) -> bool:
    """Whether every class of a stream is of a kind that there are stand-ins for."""
    kinds = {str(part.get("type")) for part in custom(stream)}
    return kinds <= {*_BASES, *_TEXTS, "CustomRecordExtractor", "CustomAuthenticator"} | {
        "CustomTransformation"
    }


def usual(value: Any) -> Any:
    """A stream with the usual components in the place of classes: what an API is made to fit."""
    if isinstance(value, list):
        return [usual(item) for item in value]
    if not isinstance(value, dict):
        return value
    made = {name: usual(inner) for name, inner in value.items()}
    kind = stands_for(value) if "class_name" in value else ""
    return {**made, "type": kind} if kind else made


def _text(name: str, part: dict[str, Any]) -> str:
    kind = str(part.get("type"))
    if kind in _TEXTS:
        return _TEXTS[kind].format(name=name)
    if kind in _BASES:
        return _PLAIN.format(name=name, base=_BASES[kind])
    if kind == "CustomRecordExtractor":
        base = "DpathExtractor"
        return _PLAIN.format(name=name, base=base) if "field_path" in part else _root(name)
    if kind == "CustomTransformation":
        adds = "fields" in part
        return _PLAIN.format(name=name, base="AddFields") if adds else _CHANGING.format(name=name)
    if "token_refresh_endpoint" in part:
        return _PLAIN.format(name=name, base="DeclarativeOauth2Authenticator")
    if "basic_auth" in part:
        return _CHOOSING.format(name=name)
    if "username" in part:
        return _PLAIN.format(name=name, base="BasicHttpAuthenticator")
    return _SIGNING.format(name=name)


def _root(name: str) -> str:
    return _ROOT.format(name=name)


def written(whole: dict[str, Any], folder: Path, stem: str) -> tuple[str, tuple[str, ...]]:
    """A file with the classes of a manifest, and the modules that they are to be found in."""
    found: dict[str, list[dict[str, Any]]] = {}
    # What stands under `definitions` alone has neither its type nor its parameters yet.
    for part in custom({k: v for k, v in whole.items() if k != "definitions"}):
        found.setdefault(str(part["class_name"]), []).append(part)
    if not found:
        return "", ()
    # What one of its uses lacks, a class must do without.
    common = {
        name: {k: v for k, v in parts[0].items() if all(k in part for part in parts)}
        for name, parts in found.items()
    }
    named = {name.rpartition(".")[2]: part for name, part in common.items()}
    named = {name: part for name, part in named.items() if re.fullmatch(r"\w+", name)}
    text = _HEAD + "".join(f"\n\n{_text(name, part).strip()}\n" for name, part in named.items())
    file = folder / f"{stem}.classes.py"
    file.write_text(text)
    return str(file), tuple(sorted({name.rpartition(".")[0] for name in found}))
