"""Scripts that ask what a resource says of its table, and classes of credentials for a token."""

from __future__ import annotations

from tests.parity.dlt.scripts import Written
from tests.parity.dlt.server import Ask


def nothing(_ask: Ask) -> list[object]:
    """An API that nobody asks."""
    return []


SCHEMAS = """
import json
from pydantic import BaseModel

class Model(BaseModel):
    id: int
    name: str | None = None
    tags: list[str] = []

@dlt.resource
def plain():
    yield 1

@dlt.resource(primary_key="id", write_disposition="merge", columns={
    "a": {"data_type": "text"}, "userName": {"data_type": "bigint", "nullable": False}})
def merged():
    yield 1

@dlt.resource(primary_key=["id", "b"], merge_key="d", table_name="versions",
    write_disposition={"disposition": "merge", "strategy": "scd2"}, schema_contract="freeze",
    max_table_nesting=2)
def versions(at=dlt.sources.incremental("at", initial_value=1)):
    yield 1

@dlt.resource(columns=Model, write_disposition="replace")
def modelled():
    yield 1

@dlt.resource(table_name=lambda row: "t_" + row["kind"])
def named():
    yield 1

@dlt.resource(columns=[{"name": "x", "data_type": "text", "x-my": 1}], file_format="parquet",
    nested_hints={"items": {"columns": {"z": {"data_type": "text"}}}}, table_format="delta",
    references=[{"referenced_table": "u", "columns": ["x"], "referenced_columns": ["id"]}])
def listed():
    yield 1

@dlt.transformer(data_from=plain)
def below(item):
    yield 1

read = rest_api_resources({
    "client": {"base_url": "BASE"},
    "resource_defaults": {"primary_key": "id", "write_disposition": "merge", "columns": {
        "z": {"data_type": "text"}, "y": {"data_type": "bigint"}}},
    "resources": [
        {"name": "orders", "write_disposition": "replace"},
        {"name": "users", "columns": {"x": {"nullable": False}}, "endpoint": {
            "path": "u", "incremental": {"cursor_path": "at", "initial_value": "2024"}}}]})
changed, other = merged(), plain()
changed.apply_hints(primary_key="", columns={"a": {"nullable": True}}, write_disposition="append")
other.apply_hints(incremental=dlt.sources.incremental("at"), table_name="other", merge_key="k",
                  columns=[{"name": "k", "data_type": "text"}])
source = dlt.source(lambda: [plain, merged], name="shop", max_table_nesting=1)()

def told(resource, *row):
    return json.dumps(resource.compute_table_schema(*row), sort_keys=True)

all_of_them = [told(one) for one in (
    plain, merged, versions, modelled, listed, below, *read, changed, other, source.merged)]
all_of_them.append(told(named, {"kind": "a"}))
try:
    named.compute_table_schema()
except Exception as exc:
    all_of_them.append(type(exc).__name__)

@dlt.resource(columns={"id": {"data_type": "bigint"}})
def schemas():
    yield [{"told": one} for one in all_of_them]
    yield {"told": told(dlt.current.resource())}
"""
TOKENS = """
from dlt.common.configuration import configspec
from dlt.common.configuration.specs.api_credentials import OAuth2Credentials

@configspec
class Token(OAuth2Credentials):
    region: str = "eu"

    def auth(self, scopes=None, redirect_url=None):
        self.add_scopes("b")
        self.add_scopes(["c", "a"])
        self.token = "/".join([self.client_id, self.client_secret, self.refresh_token, self.region])

@dlt.resource
def optional(user: OAuth2Credentials = dlt.secrets.value):
    yield {"id": user.client_id, "others": str((user.refresh_token, user.scopes, user.token))}

@dlt.source(name="shop")
def source(credentials: Token = dlt.secrets.value):
    @dlt.resource
    def tokens():
        credentials.auth()
        yield {"token": credentials.token, "scopes": sorted(credentials.scopes)}

    return tokens, optional
"""
SECRETS = """
[sources.shop.credentials]
client_id = "me"
client_secret = "hush"
refresh_token = "again"
scopes = ["a"]
[user]
client_id = "you"
client_secret = "hush"
"""

DESCRIBED: dict[str, Written] = {
    "asks what resources say of their tables": Written(text=SCHEMAS, api=nothing, source="schemas"),
    "obtains a token by credentials of a class": Written(
        text=TOKENS, api=nothing, source="source()", secrets=SECRETS
    ),
}
