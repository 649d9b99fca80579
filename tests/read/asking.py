"""Plans of one request, or of many, and an API behind a token."""

from __future__ import annotations

from tests.support.api import (
    BASE,
    Api,
    answer,
    partition,
    query,
    read_all,
    rows,
    source,
    stream,
)

from penstock.plan.auth import client_credentials
from penstock.plan.expr import Const
from penstock.plan.pagination import SinglePage
from penstock.plan.records import Keys, Records
from penstock.plan.request import Param
from penstock.plan.slices import Values

DATA = Records(path=Keys(path=("data",)))
ONE = {"data": rows(1)}


def plain(**parts):
    parts.setdefault("pagination", SinglePage())
    return stream(records=DATA, **parts)


def many(count, **parts):
    values = Values(
        name="n",
        values=Const(value=list(range(count))),
        params=(Param(slot=query("n"), value=partition("n")),),
    )
    return plain(partition=values, **parts)


def after(*faults, plan=None, clock=None, latency=0.0, handler=lambda _: ONE, **options):
    api = Api(handler, faults=faults, latency=latency)
    return read_all(plan or source(plain()), api, clock=clock, **options)


TOKEN = client_credentials(
    url=Const(value=f"{BASE}/token"),
    client_id=Const(value="me"),
    client_secret=Const(value="s3cret"),
)


class Tokens:
    """An API behind a token endpoint whose tokens can be revoked."""

    def __init__(self, lifetime=3600.0):
        self.given = 0
        self.lifetime = lifetime
        self.valid = set()
        self.broken = None

    def __call__(self, asked):
        if asked.path == "/token":
            if self.broken is not None:
                return self.broken
            self.given += 1
            self.valid.add(f"Bearer t{self.given}")
            return {"access_token": f"t{self.given}", "expires_in": self.lifetime}
        if asked.headers.get("authorization") not in self.valid:
            return answer({"error": "who are you"}, status=401)
        return {"data": [{"id": asked.number("n")}]}
