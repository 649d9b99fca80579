"""Finds what a components.py imports: the stand-ins first, then what is installed.

The file is executed with an import function of its own. Nothing is put into `sys.modules` under a
name that belongs to others, so that an airbyte-cdk that is installed stays what it is.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any

from penstock.errors import did_you_mean

_HERE = "penstock.dialects.airbyte.standin"
_SHARED = "penstock.dialects.python"  # where `web` is, which both dialects offer

# A package below `airbyte_cdk`, the stand-ins it offers, and its modules, which offer the same.
_PACKAGES = """
. : * : config_observation entrypoint
models : values : airbyte_protocol airbyte_protocol_serializers
utils : values dates : airbyte_secrets_utils constants datetime_helpers mapping_helpers
  message_utils traced_exception slice_hasher event_timing oneof_option_config
utils.transform : extractors :
sources : values retrievers sources : source types abstract_source config connector_state_manager
sources.message : values : repository concurrent_repository
sources.utils : extractors values : transform casing record_helper schema_helpers types
sources.streams : retrievers values : core availability_strategy
sources.streams.call_rate : rates :
sources.streams.checkpoint : incremental values : cursor checkpoint_reader
  per_partition_key_serializer
sources.streams.concurrent : retrievers incremental : abstract_stream adapters cursor
  default_stream cursor_types clamping
sources.streams.concurrent.partitions : retrievers routers values : partition
  partition_generator stream_slicer types
sources.streams.concurrent.state_converters : dates : abstract_stream_state_converter
  datetime_stream_state_converter
sources.streams.http : requesters retrievers failures auth oauth : http http_client exceptions
  rate_limiting availability_strategy request_window_split_exception
sources.streams.http.error_handlers : failures : backoff_strategy default_backoff_strategy
  default_error_mapping error_handler error_message_parser http_status_error_handler
  json_error_message_parser response_models
sources.streams.http.requests_native_auth : auth oauth : abstract_token abstract_oauth oauth token
sources.declarative : values retrievers sources : types exceptions declarative_stream
  yaml_declarative_source concurrent_declarative_source manifest_declarative_source
sources.declarative.auth : auth oauth : declarative_authenticator jwt oauth
  selective_authenticator token token_provider
sources.declarative.datetime : dates incremental : datetime_parser min_max_datetime
sources.declarative.decoders : decoders : composite_raw_decoder decoder decoder_parser
  json_decoder noop_decoder pagination_decoder_decorator xml_decoder zipfile_decoder
sources.declarative.expanders : extractors : record_expander
sources.declarative.extractors : extractors : dpath_extractor http_selector record_extractor
  record_filter record_selector type_transformer combined_extractor response_to_file_extractor
sources.declarative.incremental : incremental : datetime_based_cursor declarative_cursor
  per_partition_cursor concurrent_partition_cursor global_substream_cursor
  resumable_full_refresh_cursor
sources.declarative.interpolation : interpolation : interpolated_boolean interpolated_mapping
  interpolated_nested_mapping interpolated_string interpolation jinja
sources.declarative.migrations : incremental : state_migration
  legacy_to_per_partition_state_migration
sources.declarative.models : models : declarative_component_schema
sources.declarative.parsers : sources : model_to_component_factory
sources.declarative.partition_routers : routers retrievers : cartesian_product_stream_slicer
  list_partition_router partition_router single_partition_router substream_partition_router
  grouping_partition_router union_partition_router
sources.declarative.requesters : requesters request_options paginators : http_requester
  request_option request_path requester
sources.declarative.requesters.error_handlers : failures : backoff_strategy
  composite_error_handler default_error_handler default_http_response_filter error_handler
  http_response_filter
sources.declarative.requesters.error_handlers.backoff_strategies : failures :
  constant_backoff_strategy exponential_backoff_strategy header_helper
  wait_time_from_header_backoff_strategy wait_until_time_from_header_backoff_strategy
  wait_time_from_response_backoff_strategy
sources.declarative.requesters.paginators : paginators : default_paginator no_pagination paginator
sources.declarative.requesters.paginators.strategies : paginators : cursor_pagination_strategy
  offset_increment page_increment pagination_strategy stop_condition
sources.declarative.requesters.request_options : request_options :
  interpolated_request_input_provider interpolated_request_options_provider
  request_options_provider default_request_options_provider
  interpolated_nested_request_input_provider datetime_based_request_options_provider
sources.declarative.retrievers : retrievers : retriever simple_retriever async_retriever
  request_window_splitting
sources.declarative.schema : incremental : schema_loader json_file_schema_loader
  inline_schema_loader default_schema_loader dynamic_schema_loader composite_schema_loader
sources.declarative.stream_slicers : routers : stream_slicer cartesian_product_stream_slicer
  declarative_partition_generator
sources.declarative.transformations : transformations : add_fields remove_fields transformation
  keys_to_lower_transformation keys_to_snake_transformation keys_replace_transformation
  flatten_fields dpath_flatten_fields
sources.declarative.transformations.config_transformations : transformations :
  config_transformation
sources.declarative.validators : transformations : validation_strategy validator
"""

_ALL = (
    "values dates extractors decoders interpolation transformations auth oauth request_options "
    "routers failures paginators requesters retrievers incremental sources"
)

_REQUESTS = ("auth", "exceptions", "adapters", "models", "structures", "status_codes", "sessions")


class Unknown(ImportError):
    """A name that the stand-ins do not offer; `hint` says what is near, or what to install."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class UnknownAttribute(AttributeError):
    """The same of an attribute of a module."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


@cache
def _packages() -> dict[str, tuple[str, ...]]:
    """For each module of `airbyte_cdk` the stand-ins it offers."""
    found: dict[str, tuple[str, ...]] = {}
    for line in _PACKAGES.strip().replace("\n  ", " ").split("\n"):
        path, rooms, leaves = (part.strip() for part in line.split(":"))
        offered = tuple((_ALL if rooms == "*" else rooms).split())
        base = "airbyte_cdk" if path == "." else f"airbyte_cdk.{path}"
        found[base] = offered
        for leaf in leaves.split():
            found.setdefault(f"{base}.{leaf}", offered)
    for path in ("airbyte_protocol", "airbyte_protocol.models", "airbyte_protocol_dataclasses",
                 "airbyte_protocol_dataclasses.models"):  # fmt: skip
        found[path] = ("values",)
    return found


def _room(name: str) -> ModuleType:
    return importlib.import_module(f"{_SHARED if name == 'web' else _HERE}.{name}")


class _Offered(ModuleType):
    """A module that offers what stand-ins hold, and says what it does not."""

    def __init__(self, name: str, rooms: tuple[str, ...], spare: str | None = None) -> None:
        super().__init__(name)
        self._rooms, self._spare = rooms, spare
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        for room in self._rooms:
            held = _room(room)
            found = getattr(held, name, None) if not name.startswith("_") else None
            if found is not None and not isinstance(found, ModuleType):
                return found
        inner = f"{self.__name__}.{name}"
        if inner in _packages() or any(p.startswith(f"{inner}.") for p in _packages()):
            return module(inner)
        if self._spare is not None:
            real = _installed(self._spare)
            if real is not None and hasattr(real, name):
                return getattr(real, name)
        if name.startswith("_"):
            raise AttributeError(name)
        hint = did_you_mean(name, self.__dir__())
        raise UnknownAttribute(f"{self.__name__}.{name} is not known to Penstock", hint)

    def __dir__(self) -> list[str]:
        held = [_room(room) for room in self._rooms]
        named = ((name, value) for room in held for name, value in vars(room).items())
        return [
            n for n, v in named if str(getattr(v, "__module__", "")).startswith((_HERE, _SHARED))
        ]


def _installed(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


@cache
def module(name: str) -> ModuleType:
    """The stand-in of a module.

    Raises:
        Unknown: there is none.
    """
    root, _, rest = name.partition(".")
    if root == "requests":
        if rest and rest.partition(".")[0] not in _REQUESTS:
            real = _installed(name)
            if real is None:
                raise Unknown(f"{name} is not known to Penstock", "pip install requests")
            return real
        made = _Offered(name, ("web",), name)
        made.__dict__.update({leaf: made for leaf in _REQUESTS if not rest})
        return made
    if root == "dpath":
        made = _Offered(name, ("paths",))
        made.__dict__.update({} if rest else {"util": made, "exceptions": made})
        return made
    rooms = _packages().get(name)
    if rooms is None and any(path.startswith(f"{name}.") for path in _packages()):
        rooms = ()
    if rooms is None:
        hint = did_you_mean(name, _packages(), cutoff=0.8)
        raise Unknown(f"{name} is not known to Penstock", hint)
    return _Offered(name, rooms)


_STANDINS = frozenset(
    {"airbyte_cdk", "airbyte_protocol", "airbyte_protocol_dataclasses", "requests", "dpath"}
)


def _stands_in(root: str) -> bool:
    """Whether a package is offered here; dpath only where it is not installed."""
    if root == "dpath":
        return importlib.util.find_spec("dpath") is None
    return root in _STANDINS


def importing(
    name: str,
    globals: Mapping[str, object] | None = None,  # noqa: A002 (the signature of `__import__`)
    locals: Mapping[str, object] | None = None,  # noqa: A002 (the signature of `__import__`)
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> ModuleType:
    """What `__import__` is to a components.py.

    Raises:
        Unknown: a stand-in does not offer it, or a package is not installed.
    """
    root = name.partition(".")[0]
    if level or not _stands_in(root):
        return _real(name, globals, locals, fromlist, level)
    made = module(name)
    for wanted in fromlist or ():
        if wanted != "*":
            try:
                getattr(made, wanted)
            except UnknownAttribute as exc:
                raise Unknown(str(exc), exc.hint) from None
    if fromlist or name == root:
        return made
    # `import a.b.c` binds `a`; each part is found below the one in front.
    return module(root)


def _real(
    name: str,
    globals: Mapping[str, object] | None,  # noqa: A002 (the signature of `__import__`)
    locals: Mapping[str, object] | None,  # noqa: A002 (the signature of `__import__`)
    fromlist: Sequence[str] | None,
    level: int,
) -> ModuleType:
    try:
        return builtins.__import__(name, globals, locals, fromlist or (), level)
    except ModuleNotFoundError as exc:
        missing = (exc.name or name).partition(".")[0]
        if exc.name is None or not name.startswith(missing):
            raise
        hint = f"pip install {_distribution(name, missing)}"
        raise Unknown(f"the package {missing!r} is not installed", hint) from None


def _distribution(name: str, missing: str) -> str:
    """What to install for a module: that of the longest part of its name that is known."""
    parts = name.split(".")
    above = (".".join(parts[:end]) for end in range(len(parts), 0, -1))
    return next((_DISTRIBUTIONS[part] for part in above if part in _DISTRIBUTIONS), missing)


_DISTRIBUTIONS = {
    "jwt": "PyJWT",
    "yaml": "PyYAML",
    "dateutil": "python-dateutil",
    "Crypto": "pycryptodome",
    "bs4": "beautifulsoup4",
    "google": "google-auth",
    "google.ads": "google-ads",
    "google.api_core": "google-api-core",
    "google.protobuf": "protobuf",
}
