"""The chat API: OAuth2 client credentials, and messages by offset, page number, cursor or parent.

Sizes: `records` messages and as many events; one conversation for every 20 messages.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator

from penstock.emulator.api import Api, Route, Step, bearer, moment, numbered, route
from penstock.emulator.chance import mix, salt
from penstock.emulator.changes import FOREVER_MS, Collection, Selection
from penstock.emulator.people import TAGS, name, phrases, text
from penstock.emulator.replies import Answer, Ask, Refused, page, problem
from penstock.emulator.settings import Settings
from penstock.emulator.times import iso

CAP = 1000
PER_CONVERSATION = 20
_DEFAULT_LIMIT = 100
_SENDERS = 499
_PHRASES = 1024
_TAILS = 256
_MEDIA = (b"image", b"video", b"file")
_CHANNELS = (b"web", b"app", b"email")
_BOOLS = (b"false", b"true")


class Chat(Api):
    """A chat service's API, its messages made from their numbers."""

    name = "chat"
    streams = ("chat_messages", "conversations", "conversation_messages", "events")

    def __init__(self, settings: Settings, clock: Callable[[], float] | None = None) -> None:
        super().__init__(settings, *([clock] if clock else []))
        self.messages = Collection("messages", settings.records, settings)
        self.conversations = max(1, settings.records // PER_CONVERSATION)
        self._tokens: dict[str, float] = {}
        self._given = 0
        self._seed = salt(settings.seed, "chat")
        self._phrases = phrases(salt(settings.seed, "phrases"), _PHRASES)
        self._senders = tuple(self._sender(nth) for nth in range(_SENDERS))
        self._tails = tuple(self._tail(nth) for nth in range(_TAILS))

    def _routes(self) -> tuple[Route, ...]:
        return (
            route("POST", "/oauth/token", self._token, secured=False, cached=False),
            route("GET", "/v1/messages", self._list),
            route("GET", "/v1/events", self._events),
            route("GET", "/v1/conversations", self._parents),
            route("GET", "/v1/conversations/{id}/messages", self._children),
        )

    # Credentials.

    def refusal(self, ask: Ask) -> Answer | None:
        """Answer 401 unless the request bears a token that was given and has not expired."""
        token = bearer(ask)
        if token is not None and self._tokens.get(token, float("-inf")) > self.clock():
            return None
        message = "the access token is missing, unknown, revoked or expired"
        challenge = 'Bearer error="invalid_token"'
        return problem(401, "invalid_token", message, WWW_Authenticate=challenge)

    def revoke(self) -> None:
        """Make every access token given so far worthless."""
        self._tokens.clear()

    def _token(self, ask: Ask) -> Answer:
        if ask.form.get("grant_type") != "client_credentials":
            message = "grant_type must be client_credentials"
            return problem(400, "unsupported_grant_type", message)
        if _client(ask) != (self.settings.client_id, self.settings.client_secret):
            return Answer(status=401, body=b'{"error":"invalid_client"}')
        self._given += 1
        token = f"tok_{mix(salt(self.settings.seed, 'token'), self._given):016x}"
        now = self.clock()
        self._tokens = {old: end for old, end in self._tokens.items() if end > now}
        self._tokens[token] = now + self.settings.token_ttl_s
        seconds = self.settings.token_ttl_s
        ttl = b"%d" % seconds if seconds == int(seconds) else repr(seconds).encode()
        body = b'{"access_token":"%s","token_type":"Bearer","expires_in":%s}'
        return Answer(body=body % (token.encode(), ttl))

    # Endpoints.

    def _selected(self, ask: Ask) -> Selection:
        if "updated_since" in ask.query:
            low = moment(ask, "updated_since", 0)
            return self.messages.between(low, FOREVER_MS, "updated")
        if "since" in ask.query or "until" in ask.query:
            low, high = moment(ask, "since", 0), moment(ask, "until", FOREVER_MS)
            return self.messages.between(low, high, "created")
        return self.messages.all()

    def _list(self, ask: Ask) -> Answer:
        found = self._selected(ask)
        size = self.limit(ask, _DEFAULT_LIMIT, CAP)
        if "page" in ask.query:
            number = ask.number("page", default=1, least=1)
            records = map(self.message, found.cut(ask.skewed((number - 1) * size), size))
            return page(*numbered("messages", records, number, size, len(found)))
        offset = ask.number("offset", default=0)
        records = map(self.message, found.cut(ask.skewed(offset), size))
        more = b'"total":%d' % len(found) if self.settings.with_total else b""
        return page("messages", records, more)

    def _events(self, ask: Ask) -> Answer:
        size = self.limit(ask, _DEFAULT_LIMIT, CAP)
        here = ask.query.get("cursor", "")
        offset = _position(here) if here else 0
        records = [self.event(i) for i in range(offset, min(offset + size, self.messages.size))]
        base = f"{ask.origin}/v1/events?limit={size}"
        if offset + size >= self.messages.size:
            return page("events", records, b'"next_cursor":null,"has_more":false,"links":{}')
        cursor = _cursor(offset + size)
        link = f"{base}&cursor={cursor}"
        this = f"{base}&cursor={here}" if here else base
        more = b'"next_cursor":"%s","has_more":true,"links":{"next":"%s"}'
        links = ((cursor, here or _cursor(0)), (link, this))
        return page("events", records, more % (cursor.encode(), link.encode()), links)

    def _parents(self, ask: Ask) -> Answer:
        size = self.limit(ask, _DEFAULT_LIMIT, CAP)
        offset = ask.skewed(ask.number("offset", default=0))
        last = min(offset + size, self.conversations)
        return page("conversations", map(self.conversation, range(offset, last)))

    def _children(self, ask: Ask) -> Answer:
        index = self._conversation_number(ask.words["id"])
        size = self.limit(ask, _DEFAULT_LIMIT, CAP)
        if "since" in ask.query:
            low = moment(ask, "since", 0)
            found = [i for i in self._held(index) if self.messages.created(i) >= low]
        else:
            found = list(self._held(index))
        offset = ask.skewed(ask.number("offset", default=0))
        return page("messages", map(self.message, found[offset : offset + size]))

    def _conversation_number(self, ident: str) -> int:
        digits = ident.removeprefix("cnv_")
        if digits.isdecimal() and int(digits) < self.conversations:
            return int(digits)
        raise Refused(problem(404, "not_found", f"there is no conversation {ident}"))

    # Records.

    def _parent(self, index: int) -> int:
        if index < self.messages.base:
            return min(index // PER_CONVERSATION, self.conversations - 1)
        return mix(self._seed, -index) % self.conversations

    def _held(self, conversation: int) -> Iterator[int]:
        first = conversation * PER_CONVERSATION
        last = conversation == self.conversations - 1
        yield from range(first, self.messages.base if last else first + PER_CONVERSATION)
        for index in range(self.messages.base, self.messages.size):
            if self._parent(index) == conversation:
                yield index

    def message(self, index: int) -> bytes:
        """Render one message."""
        bits = mix(self._seed, index)
        before, after, language = self._phrases[bits & 1023]
        created = iso(self.messages.created(index))
        revision = self.messages.revision(index)
        edited = iso(self.messages.updated(index)) if revision else b""
        return (
            b'{"id":"msg_%016x","timestamp":"%s","updated_at":"%s","edited_at":%s,"revision":%d,'
            b'"conversation_id":"cnv_%07d","content":"%s%d%s","language":"%s",%s,"parts":[{"type":'
            b'"text","text":"%s%d%s"}%s'
        ) % (
            bits, created, edited or created, b'"%s"' % edited if edited else b"null", revision,
            self._parent(index), before, index, after, language,
            self._senders[(bits >> 10) % _SENDERS], before, index, after,
            self._tails[(bits >> 32) & 255],
        )  # fmt: skip

    def event(self, index: int) -> bytes:
        """Render the event that tells of one message."""
        bits = mix(self._seed, index)
        return (
            b'{"id":"evt_%010d","type":"message.created","message_id":"msg_%016x","at":"%s",'
            b'"payload":{"conversation_id":"cnv_%07d","size":%d,"flags":[%s]}}'
        ) % (
            index, bits, iso(self.messages.created(index)), self._parent(index), bits % 5000,
            b'"first"' if bits & 1 else b"",
        )  # fmt: skip

    def conversation(self, index: int) -> bytes:
        """Render one conversation: plain fields, nothing nested."""
        bits = mix(self._seed ^ 1, index)
        created = iso(self.messages.created(index * PER_CONVERSATION))
        before, after, language = self._phrases[bits >> 12 & 1023]
        is_open = bits >> 8 & 1
        return (
            b'{"id":"cnv_%07d","topic":"%s","open":%s,"subject":"%s%d%s","language":"%s",'
            b'"channel":"%s","priority":%d,"created_at":"%s","closed_at":%s,"assignee_id":%s,'
            b'"first_reply_s":%d.%d,"rating":%s,"spam":%s}'
        ) % (
            index, text(TAGS[bits % len(TAGS)]), _BOOLS[is_open], before, index, after, language,
            _CHANNELS[(bits >> 22) % 3], bits >> 24 & 3, created,
            b"null" if is_open else b'"%s"' % created,
            b"null" if bits >> 26 & 7 == 0 else b'"agt_%04d"' % (bits >> 29 & 511),
            bits >> 38 & 4095, bits >> 50 & 7,
            b"null" if bits >> 53 & 1 else b"%d" % (bits >> 54 & 3), _BOOLS[bits >> 56 & 63 == 0],
        )  # fmt: skip

    def _sender(self, nth: int) -> bytes:
        bits = mix(self._seed ^ 2, nth)
        person, locale = name(bits)
        ident = b"usr_%08x" % (bits & 0xFFFFFFFF)
        shape = b'"sender_id":"%s","sender":{"id":"%s","name":"%s","locale":"%s","verified":%s}'
        verified = (b"true", b"false", b"null")[(bits >> 40) % 3]
        return shape % (ident, ident, text(person), locale.encode(), verified)

    def _tail(self, nth: int) -> bytes:
        bits = mix(self._seed ^ 3, nth)
        media = _MEDIA[bits % 3]
        link = b"https://files.example.test/%s/%010x" % (media, bits & 0xFFFFFFFFFF)
        part = b',{"type":"%s","url":"%s"}' % (media, link) if bits >> 8 & 1 else b""
        tags = b",".join(b'"%s"' % text(TAGS[(bits >> s) % len(TAGS)]) for s in (10, 16, 22))
        tags = tags if bits >> 28 & 1 else b",".join(tags.split(b",")[: bits % 3])
        file = b'{"name":"%s.bin","bytes":%d,"url":"%s"}' % (media, bits % 90_000, link)
        rating = b'"rating":%d,' % (bits >> 30 & 3) if nth % 10 else b""
        reply = b"null" if bits >> 34 & 3 else b'"msg_%016x"' % mix(self._seed, nth)
        shape = b'],"tags":[%s],"attachments":[%s],%s"reply_to":%s,"channel":"%s"}'
        channel = _CHANNELS[(bits >> 36) % 3]
        return part + shape % (tags, file if bits >> 38 & 1 else b"", rating, reply, channel)

    # Truth and change.

    def truth(self, stream: str) -> Iterator[bytes]:
        """Give every record that a complete load of a stream holds now, as JSON."""
        match stream:
            case "chat_messages":
                return map(self.message, range(self.messages.size))
            case "conversations":
                return map(self.conversation, range(self.conversations))
            case "conversation_messages":
                held = (i for c in range(self.conversations) for i in self._held(c))
                return map(self.message, held)
            case "events":
                return map(self.event, range(self.messages.size))
            case _:
                raise KeyError(stream)

    def _advance(self, count: int) -> Step:
        grown = self.messages.advance(count, max(1, count // 4))
        return Step(
            added=len(grown.added),
            late=len(grown.late),
            changed=len(grown.changed),
            now_ms=self.messages.now,
        )


def _client(ask: Ask) -> tuple[str, str]:
    """Give the client's id and secret, from Basic credentials or from the form."""
    scheme, _, coded = ask.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ask.form.get("client_id", ""), ask.form.get("client_secret", "")
    try:
        ident, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return ident, secret


def _cursor(offset: int) -> str:
    return base64.urlsafe_b64encode(b"at:%d" % offset).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        return int(plain.removeprefix("at:"))
    except ValueError:
        raise Refused(problem(400, "bad_cursor", "the cursor is not one of ours")) from None
