"""Records that must fit a pydantic model: their defaults are filled in, and some are left out.

The package is the user's: it is imported only where a script has made a model with it.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

from penstock.dialects.dlt.context import Context
from penstock.dialects.dlt.models import columns_of, default_contract, types_in
from penstock.dialects.document import Node, Opaque
from penstock.errors import ReadError
from penstock.plan.expr import JsonValue
from penstock.plan.hints import ColumnType, Hints
from penstock.plan.records import Call

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

# What a contract makes of fields that a model does not have.
_EXTRA = {"evolve": "allow", "discard_value": "ignore"}
# What values of Python tell of a column, and JSON does not.
_TOLD: dict[str, ColumnType] = {
    "date": "date", "time": "time", "decimal": "decimal", "binary": "binary",
}  # fmt: skip
_UNIONS = (typing.Union, types.UnionType)


def fit_of(ctx: Context, resource: Node) -> Fit | None:
    """What the records of a merged resource must fit, where its columns are a model's class."""
    node = resource.mapping.get("columns")
    model = node.value.value if node is not None and isinstance(node.value, Opaque) else None
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not (isinstance(model, type) and issubclass(model, pydantic.BaseModel)):
        return None
    contract = _contract(resource.mapping.get("schema_contract"), default_contract(model))
    if contract["data_type"] == "discard_value":
        message = "a model cannot leave single values out: data_type is discard_value"
        at = resource.mapping["schema_contract"]
        ctx.error("unsupported", message, at, "write freeze, evolve or discard_row")
        return None
    return Fit(model, contract["columns"], contract["data_type"])


def _contract(node: Node | None, default: Mapping[str, str]) -> dict[str, str]:
    said = node.plain() if node is not None else None
    if isinstance(said, str):
        return dict.fromkeys(default, said)
    given = said if isinstance(said, dict) else {}
    return {**default, **{key: str(mode) for key, mode in given.items() if mode}}


class Fit:
    """A model that records must fit, under a contract for unknown fields and for wrong values."""

    def __init__(self, model: type[BaseModel], columns: str, values: str) -> None:
        self.name = model.__name__
        self.declares = model
        self._columns, self._values = columns, values
        self._model = _adapted(model, columns, values)
        self._json = {n for n, column in columns_of(model).items() if column["data_type"] == "json"}

    @property
    def step(self) -> Call:
        """The same as the last step of a stream."""
        return Call(does="fit", function=self._step, name=self.name)

    def over(self, hints: Hints) -> Hints:
        """The hints with the types that the model gives to columns of child tables."""
        from penstock.dialects.dlt.standin.resources.rowtypes import Kinds  # noqa: PLC0415 (few documents)

        kinds = Kinds()
        for table, column, kind in types_in(self.declares):
            if kind in _TOLD:
                kinds.see(table, column, _TOLD[kind])
        return kinds.over(hints) if kinds.found else hints

    def _step(self, record: JsonValue) -> Iterable[JsonValue]:
        from penstock.dialects.dlt.standin.resources.rowtypes import Kinds, plain_row  # noqa: PLC0415 (few documents)

        return [plain_row(one, Kinds()) for one in self.of([record])]

    def of(self, made: Any) -> Any:
        """A row, or a list of rows, as the model has it; nothing of those that are left out."""
        if not isinstance(made, list):
            found = self._kept(made, self._drops)
            return found[0] if found else None
        lenient = "discard_row" in {self._columns, self._values}
        drops: Callable[[ValidationError], bool] = _holds_fields if lenient else self._drops
        return [one for row in made for one in self._kept(row, drops)]

    def _kept(self, row: Any, drops: Callable[[ValidationError], bool]) -> list[Any]:
        """The row as the model has it, or none.

        Raises:
            ReadError: the row does not fit, and may not be left out.
        """
        from pydantic import ValidationError  # noqa: PLC0415 (the user's)

        try:
            fits = self._model.model_validate(row)
        except ValidationError as exc:
            if drops(exc):
                return []
            raise self._refused(exc) from exc
        found = fits.model_dump(by_alias=True)
        if self._json and isinstance(found, dict):
            found = {k: _in_json(v) if k in self._json else v for k, v in found.items()}
        return [found]

    def _drops(self, exc: ValidationError) -> bool:
        """Whether what is wrong first may be left out."""
        wrong = exc.errors()[0]["type"]
        mode = self._columns if wrong == "extra_forbidden" else self._values
        return wrong != "model_type" and mode == "discard_row"

    def _refused(self, exc: ValidationError) -> ReadError:
        wrong = exc.errors()[0]
        where = ".".join(map(str, wrong["loc"]))
        said = f"{where}: {wrong['msg']}" if where else wrong["msg"]
        about = "columns" if wrong["type"] == "extra_forbidden" else "data_type"
        hint = f"change the model, or let schema_contract say {about}: discard_row"
        message = f"a record does not fit the model {self.name}: {said}"
        return ReadError(message, code=f"contract-{about.replace('_', '-')}", hint=hint)


def _in_json(value: Any) -> Any:
    """What stands in a JSON column, where dlt writes exact decimals as texts."""
    if isinstance(value, Mapping):
        return {name: _in_json(held) for name, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_in_json(one) for one in value]
    return str(value) if isinstance(value, Decimal) else value


def _holds_fields(exc: ValidationError) -> bool:
    """Whether what does not fit holds fields at all."""
    return all(wrong["type"] != "model_type" for wrong in exc.errors())


# Models that do as a contract says.


def _adapted(model: type[BaseModel], columns: str, values: str) -> type[BaseModel]:
    """The model, or one like it that does with unknown fields and wrong values as is said."""
    made: dict[type, type[BaseModel]] = {}
    extra = _EXTRA.get(columns, "forbid")

    def adapt(one: type[BaseModel]) -> type[BaseModel]:
        taken = _lenient(one) if values == "evolve" else one
        if (taken.model_config.get("extra") or "ignore") == extra:
            return taken
        return _rooted(taken, inner) if _is_root(taken) else _extended(taken, extra, inner)

    def inner(annotation: Any) -> Any:
        from pydantic import BaseModel  # noqa: PLC0415 (the user's)

        plain = isinstance(annotation, type) and typing.get_origin(annotation) is None
        if not (plain and issubclass(annotation, BaseModel)):
            return _mapped(annotation, inner)
        if annotation not in made:
            made[annotation] = adapt(annotation)
        return made[annotation]

    return adapt(model)


def _lenient(model: type[BaseModel]) -> type[BaseModel]:
    """A model of the same fields, which may hold anything or be absent."""
    from pydantic import RootModel, create_model  # noqa: PLC0415 (the user's)

    if _is_root(model):
        return types.new_class(f"{model.__name__}Any", (RootModel[Any],))
    fields: Any = dict.fromkeys(model.model_fields, (Any, None))
    found: type[BaseModel] = create_model(f"{model.__name__}Any", **fields)
    return found


def _extended(model: type[BaseModel], extra: str, inner: Callable[[Any], Any]) -> type[BaseModel]:
    """A class below a model, with its validators, for which other fields are what `extra` says."""
    from pydantic import create_model  # noqa: PLC0415 (the user's)

    fields: Any = {n: (inner(f.annotation), f) for n, f in model.model_fields.items()}
    found: Any = create_model(f"{model.__name__}With{extra.title()}", __base__=model, **fields)
    found.model_config = {**model.model_config, "extra": extra}
    found.model_rebuild(force=True)
    made: type[BaseModel] = found
    return made


def _rooted(model: type[BaseModel], inner: Callable[[Any], Any]) -> type[BaseModel]:
    """A model that stands for others, made of those that these became."""
    from pydantic import Field, RootModel  # noqa: PLC0415 (the user's)

    held = model.model_fields["root"]
    annotation = inner(held.annotation)
    tag = held.discriminator
    if tag is not None:  # where the annotation does not hold it
        annotation = Annotated[annotation, Field(discriminator=tag)]
    root: Any = RootModel
    return types.new_class(model.__name__, (root[annotation],))


def _is_root(model: type[BaseModel]) -> bool:
    return bool(getattr(model, "__pydantic_root_model__", False))


def _mapped(annotation: Any, change: Callable[[Any], Any]) -> Any:
    """An annotation with what it is made of changed."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is None or origin is typing.Literal:
        return annotation
    if origin is Annotated:
        first, *said = args
        changed = change(first)
        return annotation if changed is first else Annotated[(changed, *said)]
    found = tuple(arg if isinstance(arg, list) else change(arg) for arg in args)
    if all(one is arg for one, arg in zip(found, args, strict=True)):
        return annotation
    return typing.Union[found] if origin in _UNIONS else origin[found]  # noqa: UP007 (of a tuple)
