"""Scripts whose columns are pydantic models: what becomes of records that do not fit."""

from __future__ import annotations

from typing import Any

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def people(ask: Ask) -> list[dict[str, Any]]:
    """Records that fit, and such as do not: a wrong value, an unknown field, a field too few."""
    fits: list[dict[str, Any]] = [
        {"id": 1, "userName": "Ada", "born": "1815-12-10", "home": {"street": "A", "no": "1"},
         "cards": [{"no": "3", "until": "2030-01-01", "cents": "1.50"}]},
        {"id": "2", "userName": "Bob", "home": {"street": "B", "no": "2", "more": 1}, "cards": []},
    ]  # fmt: skip
    if ask.path.startswith("/fits"):
        return fits
    wrong = {
        "value": [{**fits[0], "id": "x"}],
        "field": [{**fits[0], "id": 3, "extra": True}],
        "less": [{"id": 4}],
    }
    kinds = list(wrong) if ask.path.startswith("/all") else [ask.path.split("/")[1]]
    return [*fits, *(one for kind in kinds for one in wrong[kind])]


MODELS = """
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, ClassVar, Dict, List, Literal, Optional, Union
from typing_extensions import Annotated
from pydantic import BaseModel, ConfigDict, Field, Json, RootModel, field_validator
from dlt.common.libs.pydantic import DltConfig

class Home(BaseModel):
    street: str
    no: int = 7
    floor: int = 1

class Card(BaseModel):
    no: int
    until: Optional[date] = None
    cents: Decimal = Decimal("0")

class Kind(str, Enum):
    person = "person"

class User(BaseModel):
    id: int
    name: str = Field(alias="userName")
    born: Optional[date] = None
    kind: Kind = Kind.person
    seen: datetime = datetime(2024, 1, 2, 3, 4, 5)
    home: Home
    cards: List[Card] = []
    note: Any = None

    @field_validator("name")
    @classmethod
    def loud(cls, name):
        return name.upper()

class Flat(User):
    dlt_config: ClassVar[DltConfig] = {"skip_nested_types": True}

class Open(User):
    model_config = ConfigDict(extra="allow")

class Strict(User):
    model_config = ConfigDict(extra="forbid")

class Kept(User):
    dlt_config: ClassVar[DltConfig] = {"return_validated_models": True}

class Few(BaseModel):
    id: Optional[int]
    missing: Optional[str] = "x"

def api(path, model, contract=None, steps=(), disposition="replace"):
    resource = {"name": "people", "endpoint": path, "columns": model,
                "write_disposition": disposition, "processing_steps": list(steps)}
    if contract is not None:
        resource["schema_contract"] = contract
    return rest_api_source({"client": {"base_url": "BASE", "paginator": "single_page"},
                            "resources": [resource]})

def contracted(model):
    @dlt.source(schema_contract="evolve")
    def shop():
        return list(api("field/people", model).resources.values())

    return shop()

def made(path, model, contract=None, one=False):
    from dlt.sources.helpers import requests

    @dlt.resource(name="people", columns=model, schema_contract=contract,
                  write_disposition="replace")
    def people():
        found = requests.get("BASE/" + path).json()
        if one:
            yield from found
        else:
            yield found

    return people
"""

LENIENT = "{'columns': 'discard_row', 'data_type': 'discard_row'}"
FITTING = {
    "defaults and validators": "api('fits/people', User)",
    "columns in place of objects": "api('fits/people', Flat)",
    "other fields are welcome": "api('field/people', Open)",
    "other fields are left out": "api('field/people', User)",
    "models that are handed on": "api('fits/people', Kept)",
    "records that do not fit are left out": "api('all/people', User, {'data_type': 'discard_row'})",
    "records with other fields are left out":
        "api('field/people', User, {'columns': 'discard_row'})",
    "whatever does not fit is left out": f"api('all/people', User, {LENIENT})",
    "a contract instead of the model's own": "api('field/people', Strict, {'columns': 'evolve'})",
    "a contract that is open in all": "api('value/people', Few, 'evolve')",
    "values of any type": "api('value/people', Few, {'data_type': 'evolve'})",
    "values of any type, and no others":
        "api('value/people', Few, {'data_type': 'evolve', 'columns': 'discard_value'})",
    "one of its instances only declares columns":
        "api('fits/people', Few(id=1))",
    "a contract of the source":
        "contracted(User)",
    "a model behind steps":
        "api('fits/people', User, steps=[{'map': lambda r: {**r, 'id': int(r['id']) + 10}}])",
    "rows of a function": "made('fits/people', User)",
    "rows one by one": "made('all/people', User, {'data_type': 'discard_row'}, one=True)",
    "rows of a function in columns": "made('fits/people', Flat)",
    "other rows of a function are left out": f"made('all/people', Strict, {LENIENT})",
}  # fmt: skip

VARIANTS = """
class Cat(BaseModel):
    kind: Literal["cat"]
    id: int
    lives: int = 9

class Dog(BaseModel):
    kind: Literal["dog"]
    id: int
    good: bool = True

class Pet(RootModel[Annotated[Union[Cat, Dog], Field(discriminator="kind")]]):
    pass

@dlt.resource(write_disposition="replace", columns=Pet, schema_contract={"columns": "MODE"})
def pets():
    yield [{"kind": "cat", "id": "1"}, {"kind": "dog", "id": 2, "good": "no"}]
"""

LATER = """
source = api('fits/people', None)
source.people.apply_hints(columns=User)
source.people.add_filter(lambda person: "userName" in person)
"""

YIELDED = """
@dlt.resource(name="people", write_disposition="replace")
def people():
    for row in ({"id": 1, "userName": "x", "home": {"street": "y"}},):
        yield User(**row)
"""

BELOW = """
@dlt.resource(write_disposition="replace", nested_hints={
    "cards": dlt.mark.make_nested_hints(columns=Card),
})
def people():
    yield {"id": 1, "cards": [{"no": 3, "cents": 1}, {"no": 4, "cents": 2, "more": 1}]}
"""

MODELS_SCRIPTS: dict[str, Written] = {
    **{
        f"a model: {name}": Written(text=MODELS, api=people, source=source)
        for name, source in FITTING.items()
    },
    "a model of variants": Written(
        text=MODELS + VARIANTS.replace("MODE", "evolve"), api=people, source="pets"
    ),
    "a model of variants that ignore": Written(
        text=MODELS + VARIANTS.replace("MODE", "discard_value"), api=people, source="pets"
    ),
    "a model given later": Written(text=MODELS + LATER, api=people, source="source"),
    "a model of a nested table": Written(text=MODELS + BELOW, api=people, source="people"),
    "models that are rows": Written(text=MODELS + YIELDED, api=people, source="people"),
}

REFUSED = {
    "a wrong value": "api('value/people', User)",
    "a field too few": "api('less/people', User)",
    "an unknown field": "api('field/people', Strict)",
    "an unknown field, by contract": "api('field/people', User, {'columns': 'freeze'})",
    "a row of a function": "made('value/people', User)",
    "one row of a function": "made('field/people', Strict, one=True)",
    "no list of objects": "api('fits/people', User, 'discard_row', [{'map': lambda r: 1}])",
}
"""What is run, by what does not fit in it: both fail, and load nothing."""
