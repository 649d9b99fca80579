"""Records, slices, messages and failures, as components name them."""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from enum import Enum
from typing import Any

FieldPointer = list[str]
Config = Mapping[str, Any]
ConnectionDefinition = Mapping[str, Any]
StreamState = Mapping[str, Any]
StreamData = Mapping[str, Any]
PrimaryKey = str | list[str] | list[list[str]] | None
EmptyString = ""


class Record(Mapping[str, Any]):
    """A record and the slice it was read for."""

    def __init__(
        self,
        data: Mapping[str, Any],
        stream_name: str = "",
        associated_slice: StreamSlice | None = None,
        file_reference: Any = None,
    ) -> None:
        self._data = data
        self._associated_slice = associated_slice
        self.stream_name = stream_name
        self.file_reference = file_reference

    @property
    def data(self) -> Mapping[str, Any]:
        """The record itself."""
        return self._data

    @property
    def associated_slice(self) -> StreamSlice | None:
        """The slice it was read for."""
        return self._associated_slice

    def __repr__(self) -> str:
        return repr(self._data)

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self._data == other._data

    __hash__ = None  # type: ignore[assignment]  # a record may change


class StreamSlice(Mapping[str, Any]):
    """A partition in a window; extra fields stand beside it."""

    def __init__(
        self,
        *,
        partition: Mapping[str, Any],
        cursor_slice: Mapping[str, Any],
        extra_fields: Mapping[str, Any] | None = None,
    ) -> None:
        if partition.keys() & cursor_slice.keys():
            raise ValueError("Keys for partition and incremental sync cursor should not overlap")
        self._partition = partition
        self._cursor_slice = cursor_slice
        self._extra_fields = extra_fields or {}
        self._stream_slice = {**partition, **cursor_slice}

    @property
    def partition(self) -> Mapping[str, Any]:
        """The values that name the partition."""
        held = self._partition
        return held.partition if isinstance(held, StreamSlice) else held

    @property
    def cursor_slice(self) -> Mapping[str, Any]:
        """The bounds of the window."""
        held = self._cursor_slice
        return held.cursor_slice if isinstance(held, StreamSlice) else held

    @property
    def extra_fields(self) -> Mapping[str, Any]:
        """Values that do not name the partition."""
        return self._extra_fields

    def __repr__(self) -> str:
        return repr(self._stream_slice)

    def __setitem__(self, key: str, value: Any) -> None:
        raise ValueError("StreamSlice is immutable")

    def __getitem__(self, key: str) -> Any:
        return self._stream_slice[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream_slice)

    def __len__(self) -> int:
        return len(self._stream_slice)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, StreamSlice):
            return self._stream_slice == other._stream_slice
        return self._stream_slice == other

    def __hash__(self) -> int:
        return hash(repr(sorted(self._stream_slice.items())))

    def __bool__(self) -> bool:
        return bool(self._stream_slice) or bool(self._extra_fields)

    def __json_serializable__(self) -> Any:
        return self._stream_slice


class SyncMode(Enum):
    """How a stream is read."""

    full_refresh = "full_refresh"
    incremental = "incremental"


class DestinationSyncMode(Enum):
    """How a stream is written."""

    append = "append"
    overwrite = "overwrite"
    append_dedup = "append_dedup"


class FailureType(Enum):
    """Whose fault a failure is."""

    system_error = "system_error"
    config_error = "config_error"
    transient_error = "transient_error"


class Level(Enum):
    """How grave a log line is."""

    FATAL = "FATAL"
    ERROR = "ERROR"
    WARN = "WARN"
    INFO = "INFO"
    DEBUG = "DEBUG"
    TRACE = "TRACE"


class Type(Enum):
    """What a message is about."""

    RECORD = "RECORD"
    STATE = "STATE"
    LOG = "LOG"
    SPEC = "SPEC"
    CONNECTION_STATUS = "CONNECTION_STATUS"
    CATALOG = "CATALOG"
    TRACE = "TRACE"
    CONTROL = "CONTROL"


class Status(Enum):
    """Whether a connection works."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


class OrchestratorType(Enum):
    """What a control message asks for."""

    CONNECTOR_CONFIG = "CONNECTOR_CONFIG"


class _Message:
    """A message of the protocol: whatever fields it was made with."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.__dict__})"


class AirbyteMessage(_Message):
    """A message."""


class AirbyteRecordMessage(_Message):
    """A record."""


class AirbyteLogMessage(_Message):
    """A log line."""


class AirbyteStateMessage(_Message):
    """A state."""


class AirbyteStream(_Message):
    """A stream of a catalog."""


class AirbyteCatalog(_Message):
    """A catalog."""


class ConfiguredAirbyteStream(_Message):
    """A stream that was asked for."""


class ConfiguredAirbyteCatalog(_Message):
    """The streams that were asked for."""


class AirbyteControlMessage(_Message):
    """Something the platform is asked to do."""


class AirbyteControlConnectorConfigMessage(_Message):
    """A configuration to keep."""


class AirbyteTraceMessage(_Message):
    """What happened."""


class AirbyteErrorTraceMessage(_Message):
    """What went wrong."""


class AirbyteConnectionStatus(_Message):
    """Whether a connection works."""


class StreamDescriptor(_Message):
    """The name of a stream."""


class MessageRepository(ABC):
    """Where components leave messages."""

    @abstractmethod
    def emit_message(self, message: AirbyteMessage) -> None:
        """Leave one."""

    @abstractmethod
    def log_message(self, level: Level, message_provider: Any) -> None:
        """Leave a log line."""

    def consume_queue(self) -> Iterable[AirbyteMessage]:
        """Those that were left."""
        return []


class NoopMessageRepository(MessageRepository):
    """Nobody reads what is left here."""

    def emit_message(self, message: AirbyteMessage) -> None:
        """Leave one."""

    def log_message(self, level: Level, message_provider: Any) -> None:
        """Leave a log line."""


class InMemoryMessageRepository(NoopMessageRepository):
    """Keeps what is left until it is asked for."""

    def __init__(self, log_level: Level = Level.INFO) -> None:
        self._log_level = log_level
        self._queue: list[AirbyteMessage] = []

    def emit_message(self, message: AirbyteMessage) -> None:
        """Leave one."""
        self._queue.append(message)

    def consume_queue(self) -> Iterable[AirbyteMessage]:
        """Those that were left, once."""
        held, self._queue = self._queue, []
        return held


class AirbyteTracedException(Exception):
    """A failure with a message for the user, and whose fault it is."""

    is_sentence = True  # its text is a sentence: no name of a class stands before it

    def __init__(
        self,
        internal_message: str | None = None,
        message: str | None = None,
        failure_type: FailureType = FailureType.system_error,
        exception: BaseException | None = None,
        stream_descriptor: StreamDescriptor | None = None,
    ) -> None:
        super().__init__(internal_message)
        self.internal_message = internal_message
        self.message = message
        self.failure_type = failure_type
        self._exception = exception
        self._stream_descriptor = stream_descriptor

    def __str__(self) -> str:
        return self.message or self.internal_message or ""

    @property
    def blame(self) -> str:
        """Whose fault it is, in one word."""
        return FailureType(self.failure_type).value.partition("_")[0]

    @classmethod
    def from_exception(
        cls, exc: BaseException, *args: Any, **kwargs: Any
    ) -> AirbyteTracedException:
        """Another exception as one of these."""
        del args
        return cls(internal_message=str(exc), exception=exc, **kwargs)


class ReadException(Exception):
    """A stream cannot be read."""


class InvalidConnectorDefinitionException(Exception):
    """The manifest is wrong."""


def combine_mappings(
    mappings: list[Mapping[str, Any] | str | None],
    allow_same_value_merge: bool = False,
) -> Mapping[str, Any] | str:
    """Mappings as one; a key that comes twice is an error."""
    filled = [m for m in mappings if m]
    texts = [m for m in filled if isinstance(m, str)]
    if len(texts) > 1:
        raise ValueError("Cannot combine multiple string options")
    if texts:
        if len(filled) > 1:
            raise ValueError("Cannot combine multiple options if one is a string")
        return texts[0]
    merged: dict[str, Any] = {}
    for mapping in filled:
        if isinstance(mapping, Mapping):
            _merge(merged, mapping, (), same=allow_same_value_merge)
    return merged


def _merge(
    target: dict[str, Any], source: Mapping[str, Any], path: tuple[str, ...], *, same: bool
) -> None:
    for key, value in source.items():
        here = (*path, str(key))
        if key not in target:
            target[key] = copy.deepcopy(value)
        elif same and isinstance(target[key], dict) and isinstance(value, dict):
            _merge(target[key], value, here, same=same)
        elif not same or target[key] != value:
            raise ValueError(f"Request body collision, duplicate keys detected: {'.'.join(here)}")


def get_interpolation_context(
    stream_state: StreamState | None = None,
    stream_slice: StreamSlice | None = None,
    next_page_token: Mapping[str, Any] | None = None,
) -> Mapping[str, Any]:
    """What the templates of a request see."""
    del stream_state
    extra = getattr(stream_slice, "extra_fields", {})
    return {"stream_slice": stream_slice, "next_page_token": next_page_token, **extra}


def filter_secrets(string: str) -> str:
    """The text; Penstock masks secrets where it prints."""
    return string


def add_to_secrets(secret: str) -> None:
    """Nothing: Penstock knows the secrets of a configuration."""
    del secret


def init_logger(name: str | None = None) -> logging.Logger:
    """The logger of a name."""
    return logging.getLogger(name or "airbyte")


def create_connector_config_control_message(config: MutableMapping[str, Any]) -> AirbyteMessage:
    """A message that asks to keep a configuration."""
    kept = AirbyteControlConnectorConfigMessage(config=config)
    control = AirbyteControlMessage(
        type=OrchestratorType.CONNECTOR_CONFIG, emitted_at=0.0, connectorConfig=kept
    )
    return AirbyteMessage(type=Type.CONTROL, control=control)


def emit_configuration_as_airbyte_control_message(config: MutableMapping[str, Any]) -> None:
    """Nothing: the configuration is kept by the run."""
    del config
