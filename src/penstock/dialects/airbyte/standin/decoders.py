"""Decoders: how the body of an answer becomes values."""

from __future__ import annotations

import csv
import gzip
import io
import json
import logging
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import InitVar, dataclass, field
from typing import Any

from penstock.dialects.python.web import Response, lines
from penstock.errors import BodyError

logger = logging.getLogger("airbyte")
_GZIP = b"\x1f\x8b"


@dataclass
class Decoder:
    """Makes values of an answer."""

    @abstractmethod
    def is_stream_response(self) -> bool:
        """Whether the body is read piece by piece."""
        raise NotImplementedError

    @abstractmethod
    def decode(self, response: Response) -> Iterator[Any]:
        """The values, one by one."""
        raise NotImplementedError


class Parser(ABC):
    """Makes values of bytes."""

    @abstractmethod
    def parse(self, data: Any) -> Iterator[Any]:
        """The values, one by one."""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as exc:
        raise BodyError(f"the body is not JSON: {exc}", code="not-json") from exc


@dataclass
class JsonDecoder(Decoder):
    """A body that is one JSON value; the items of a list are values of their own."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def is_stream_response(self) -> bool:
        """Never."""
        return False

    def decode(self, response: Response) -> Iterator[MutableMapping[str, Any]]:
        """The value, or the items of the list it is."""
        if not response.content.strip():
            yield {}
            return
        yield from self.parse_body_json(_json(response.content))

    @staticmethod
    def parse_body_json(body_json: Any) -> Iterator[Any]:
        """The value, or the items of the list it is; one empty object where there is none."""
        items = body_json if isinstance(body_json, list) else [body_json]
        yield from items or [{}]


@dataclass
class JsonlDecoder(Decoder):
    """A JSON value in each line."""

    parameters: InitVar[Mapping[str, Any]] = None

    def __post_init__(self, parameters: Mapping[str, Any] | None) -> None:
        del parameters

    def is_stream_response(self) -> bool:
        """Always."""
        return True

    def decode(self, response: Response) -> Iterator[Any]:
        """The value of each line."""
        for line in lines(response):
            yield json.loads(line)


@dataclass
class IterableDecoder(Decoder):
    """Each line is the `record` of an object."""

    parameters: InitVar[Mapping[str, Any]] = None

    def __post_init__(self, parameters: Mapping[str, Any] | None) -> None:
        del parameters

    def is_stream_response(self) -> bool:
        """Always."""
        return True

    def decode(self, response: Response) -> Iterator[Any]:
        """An object for each line."""
        for line in response.iter_lines():
            yield {"record": line.decode()}


@dataclass
class XmlDecoder(Decoder):
    """A body that is XML, as nested objects."""

    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters

    def is_stream_response(self) -> bool:
        """Never."""
        return False

    def decode(self, response: Response) -> Iterator[Any]:
        """The document."""
        import xmltodict  # noqa: PLC0415 (rarely needed)

        yield from JsonDecoder.parse_body_json(xmltodict.parse(response.content))


@dataclass
class CsvParser(Parser):
    """A table; each row is an object of texts."""

    encoding: str | None = "utf-8"
    delimiter: str | None = ","
    set_values_to_none: list[str] | None = None

    def parse(self, data: Any) -> Iterator[Any]:
        """The rows."""
        text = io.TextIOWrapper(data, encoding=self.encoding or "utf-8", newline="")
        nulls = set(self.set_values_to_none or ())
        delimiter = (self.delimiter or ",").replace("\\t", "\t")
        for row in csv.DictReader(text, delimiter=delimiter):
            yield {k: None if v in nulls else v for k, v in row.items()}


@dataclass
class JsonParser(Parser):
    """A JSON value; the items of a list are values of their own."""

    encoding: str = "utf-8"

    def parse(self, data: Any) -> Iterator[Any]:
        """The value, or its items."""
        yield from JsonDecoder.parse_body_json(_json(data.read()))


@dataclass
class JsonLineParser(Parser):
    """A JSON value in each line."""

    encoding: str | None = "utf-8"

    def parse(self, data: Any) -> Iterator[Any]:
        """The value of each line."""
        for line in data:
            if line.strip():
                yield json.loads(line)


@dataclass
class GzipParser(Parser):
    """A packed body."""

    inner_parser: Parser

    def parse(self, data: Any) -> Iterator[Any]:
        """What the unpacked body holds."""
        body = data.read()
        plain = gzip.decompress(body) if body.startswith(_GZIP) else body
        yield from self.inner_parser.parse(io.BytesIO(plain))


@dataclass
class CompositeRawDecoder(Decoder):
    """Hands the bytes of a body to a parser."""

    parser: Parser
    stream_response: bool = True
    parsers_by_header: Any = None

    def is_stream_response(self) -> bool:
        """As it was made."""
        return self.stream_response

    def decode(self, response: Response) -> Iterator[Any]:
        """What the parser makes of the body."""
        yield from self.parser.parse(io.BytesIO(response.content))


@dataclass
class ZipfileDecoder(Decoder):
    """A zip archive; every file in it goes to a parser."""

    parser: Parser

    def is_stream_response(self) -> bool:
        """Never."""
        return False

    def decode(self, response: Response) -> Iterator[Any]:
        """What the parser makes of each file."""
        with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
            for name in archive.namelist():
                yield from self.parser.parse(io.BytesIO(archive.read(name)))


@dataclass
class NoopDecoder(Decoder):
    """Leaves the body alone."""

    def is_stream_response(self) -> bool:
        """Never."""
        return False

    def decode(self, response: Response) -> Iterator[Any]:
        """Nothing but an empty object."""
        yield {}


@dataclass
class PaginationDecoderDecorator(Decoder):
    """Another decoder, unless that reads the body piece by piece."""

    decoder: Decoder = field(default_factory=lambda: JsonDecoder(parameters={}))

    def is_stream_response(self) -> bool:
        """As the other."""
        return self.decoder.is_stream_response()

    def decode(self, response: Response) -> Iterator[Any]:
        """What the other makes of the answer."""
        if self.decoder.is_stream_response():
            yield {}
        else:
            yield from self.decoder.decode(response)
