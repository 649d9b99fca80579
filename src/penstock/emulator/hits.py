"""What a fault is: a name, a sentence, and what it does to one request it hits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from penstock.emulator.api import Api
from penstock.emulator.replies import Answer, Ask, send


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One request that a fault hits; `first` holds the first page that each path gave."""

    request: web.Request
    ask: Ask
    api: Api
    first: dict[str, Answer]

    def answer(self, skew: int = 0) -> Answer:
        """Give what the API would have answered, had its pages not moved by `skew` records."""
        return self.api.respond(msgspec.structs.replace(self.ask, skew=skew))

    def elsewhere(self) -> str:
        """Give another origin that leads to this same server."""
        scheme, _, host = self.ask.origin.partition("://")
        name, _, port = host.partition(":")
        other = "localhost" if name == "127.0.0.1" else "127.0.0.1"
        return f"{scheme}://{other}:{port or 80}"


Act = Callable[[Hit], Awaitable[web.StreamResponse]]
Alter = Callable[[Hit, Answer], Answer]
Make = Callable[[Hit], Answer]


class FaultKind(msgspec.Struct, frozen=True, kw_only=True):
    """One way to go wrong, by name, with a line that says what the client meets.

    `answer` makes the wrong answer, where there is one and the fault is not below it.
    """

    name: str
    about: str
    act: Act
    answer: Make | None = None


class Table(dict[str, FaultKind]):
    """Fault kinds by name, filled by decorators."""

    def acting(self, name: str, about: str) -> Callable[[Act], Act]:
        """Register a kind that answers the request itself, down to the socket."""

        def register(act: Act) -> Act:
            self[name] = FaultKind(name=name, about=about, act=act)
            return act

        return register

    def instead(self, name: str, about: str) -> Callable[[Make], Make]:
        """Register a kind that gives another answer and never makes the right one."""

        def register(make: Make) -> Make:
            self[name] = _answering(name, about, make)
            return make

        return register

    def altered(self, name: str, about: str) -> Callable[[Alter], Alter]:
        """Register a kind that makes the right answer and alters it, if it has what it takes."""

        def register(alter: Alter) -> Alter:
            def make(hit: Hit) -> Answer:
                return alter(hit, whole(hit.answer()))

            self[name] = _answering(name, about, make)
            return alter

        return register


def _answering(name: str, about: str, make: Make) -> FaultKind:
    async def act(hit: Hit) -> web.StreamResponse:
        return await send(hit.request, make(hit), squeeze=False)

    return FaultKind(name=name, about=about, act=act, answer=make)


def whole(answer: Answer) -> Answer:
    """Hold an answer that would have been sent in pieces."""
    if answer.pieces is None:
        return answer
    body = b"".join(answer.pieces())
    return Answer(body=body, headers=answer.headers, span=(1, len(body) - 1), inside=2)
