"""The messaging API: users, their conversations, and the messages in them, behind a bearer key.

Sizes: `records` messages in all; one user for every 50 messages, at least 3; three conversations
for every two users. Each conversation belongs to one user; every fourth is also listed by the next
user and every twelfth by the one after. Roles, agents, groups, channels and fields are few and
fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from urllib.parse import urlencode

import msgspec

from penstock.emulator.api import Api, Route, Step, bearer, moment, route, since, with_field
from penstock.emulator.chance import mix, salt
from penstock.emulator.changes import Collection
from penstock.emulator.people import CHANNELS, TAGS, name, phrases, text
from penstock.emulator.replies import Answer, Ask, Refused, page, problem, thing
from penstock.emulator.settings import Settings
from penstock.emulator.times import iso

_CAP = 10_000
_DEFAULT_LIMIT = 20
_ROLES = (
    ("Administrator", True, b"false"),
    ("Agent", True, b"false"),
    ("Team lead", True, b"true"),
    ("Readonly", False, b"true"),
    ("Qualité", True, b"true"),
)
_AGENTS = 23
_GROUPS = 7
_CHANNELS = 6
_FIELDS = ("priority", "cf_order", "cf_vip", "cf_language", "cf_source", "cf_refund_total")
_PHRASES = 512
_QUICK_REPLY = '[{"text":{"content":"👍"}}]'.encode()


class Messaging(Api):
    """A messaging service's API, its records made from their numbers."""

    name = "messaging"
    streams = (
        "roles", "users", "agents", "groups", "account", "channels", "conversations",
        "users_conversations", "conversations_messages", "conversations_properties",
    )  # fmt: skip

    def __init__(self, settings: Settings, clock: Callable[[], float] | None = None) -> None:
        super().__init__(settings, *([clock] if clock else []))
        size = max(3, settings.records // 50)
        self.users = Collection("users", size, settings)
        self.conversations = Collection("conversations", size * 3 // 2, settings)
        self.messages = Collection("messages", settings.records, settings)
        self._placed: dict[int, list[int]] = {}
        self._seed = salt(settings.seed, "messaging")
        self._app = _ident(self._seed, 0)
        self._phrases = phrases(salt(settings.seed, "phrases"), _PHRASES)
        self._agent_ids = tuple(_ident(self._seed ^ 1, nth) for nth in range(_AGENTS))

    def _routes(self) -> tuple[Route, ...]:
        return (
            route("GET", "/v2/roles", self._fixed("roles", self._roles())),
            route("GET", "/v2/users", self._users),
            route("GET", "/v2/agents", self._lazy("agents", self._agent, _AGENTS)),
            route("GET", "/v2/groups", self._lazy("groups", self._group, _GROUPS)),
            route("GET", "/v2/accounts/configuration", self._account_page),
            route("GET", "/v2/channels", self._lazy("channels", self._channel, _CHANNELS)),
            route("GET", "/v2/users/{user_id}/conversations", self._user_conversations),
            route("GET", "/v2/conversations/fields", self._fixed("data", self._fields())),
            route("GET", "/v2/conversations/{conversation_id}", self._conversation_page),
            route("GET", "/v2/conversations/{conversation_id}/messages", self._message_page),
        )

    def refusal(self, ask: Ask) -> Answer | None:
        """Answer 401 unless the request bears the expected key."""
        if bearer(ask) == self.settings.api_key:
            return None
        return problem(401, "unauthenticated", "the API key is missing or wrong")

    # Pages.

    def _fixed(self, key: str, records: Sequence[bytes]) -> Callable[[Ask], Answer]:
        return lambda ask: self._page(ask, key, len(records), lambda cut: [records[i] for i in cut])

    def _lazy(
        self, key: str, render: Callable[[int], bytes], count: int
    ) -> Callable[[Ask], Answer]:
        return lambda ask: self._page(ask, key, count, lambda cut: map(render, cut))

    def _users(self, ask: Ask) -> Answer:
        found = since(ask, "updated_from", self.users, "updated")
        return self._page(
            ask,
            "users",
            len(found),
            lambda cut: map(self.user, found.cut(cut.start, len(cut))),
        )

    def _user_conversations(self, ask: Ask) -> Answer:
        user = self._number(ask.words["user_id"], self.users, self._seed ^ 2, "user")
        listed = self.listed(user)
        show = lambda cut: [_listing(listed[i]) for i in cut]  # noqa: E731 (one use)
        return self._page(ask, "conversations", len(listed), show)

    def _page(
        self, ask: Ask, key: str, total: int, cut: Callable[[range], Iterable[bytes]]
    ) -> Answer:
        size = self.limit(ask, _DEFAULT_LIMIT, _CAP)
        number = ask.number("page", default=1, least=1)
        start = min(ask.skewed((number - 1) * size), total)
        shown = range(start, min(start + size, total))
        pages = -(-total // size)
        links, more = self._links(ask, key, number, size, last=number >= pages)
        shape = b'"current_page":%d,"items_per_page":%d,"total_pages":%d,"total_items":%d'
        counts = shape % (number, size, pages, total)
        return page(key, cut(shown), b'"links":%s,"pagination":{%s}' % (more, counts), links)

    def _links(
        self, ask: Ask, key: str, number: int, size: int, *, last: bool
    ) -> tuple[tuple[tuple[str, str], ...], bytes]:
        """Give the link block of a page: some endpoints link absolutely, some end with a null."""
        kept = {n: v for n, v in ask.query.items() if n not in ("page", "limit", "items_per_page")}
        base = ask.origin if key in ("agents", "channels", "data") else ""

        def href(page_number: int) -> str:
            query = urlencode({**kept, "page": page_number, "items_per_page": size})
            return f"{base}{ask.path}?{query}"

        blocks: dict[str, dict[str, str] | None] = {}
        if not last:
            blocks["next_page"] = {"href": href(number + 1), "rel": "next", "method": "GET"}
        elif key in ("groups", "channels"):
            blocks["next_page"] = None
        if number > 1:
            blocks["previous_page"] = {"href": href(number - 1), "rel": "prev", "method": "GET"}
        links = () if last else ((href(number + 1), href(number)),)
        return links, msgspec.json.encode(blocks)

    def _account_page(self, _ask: Ask) -> Answer:
        return thing("data", self._account())

    def _conversation_page(self, ask: Ask) -> Answer:
        return thing("data", self.conversation(self._conversation_number(ask)))

    def _message_page(self, ask: Ask) -> Answer:
        held: Sequence[int] = self.held(self._conversation_number(ask))
        if "from_time" in ask.query:
            low = moment(ask, "from_time", 0)
            held = [i for i in held if self.messages.created(i) >= low]
        size = self.limit(ask, _DEFAULT_LIMIT, _CAP)
        first = ask.skewed((ask.number("page", default=1, least=1) - 1) * size)
        return page("messages", map(self.message, held[first : first + size]))

    def _conversation_number(self, ask: Ask) -> int:
        ident = ask.words["conversation_id"]
        return self._number(ident, self.conversations, self._seed ^ 3, "conversation")

    def _number(self, ident: str, records: Collection, seed: int, what: str) -> int:
        index = int(tail, 16) if _is_hex(tail := ident.rpartition("-")[2]) else records.size
        if index >= records.size or _ident(seed, index) != ident.encode():
            raise Refused(problem(404, "not_found", f"there is no {what} {ident}"))
        return index

    # Who belongs to whom.

    def owner(self, conversation: int) -> int:
        """Give the user a conversation belongs to."""
        if conversation >= self.conversations.base:
            return self.users.base + conversation - self.conversations.base
        return conversation * self.users.base // self.conversations.base

    def listers(self, conversation: int) -> list[int]:
        """Give every user that lists a conversation, its owner first."""
        first = self.owner(conversation)
        if conversation >= self.conversations.base:
            return [first]
        others = (conversation % 4 == 0) + (conversation % 12 == 0)
        return [(first + nth) % self.users.base for nth in range(1 + others)]

    def listed(self, user: int) -> list[bytes]:
        """Give the ids of the conversations a user lists."""
        if user >= self.users.base:
            return [self._conversation_id(self.conversations.base + user - self.users.base)]
        found = sorted(
            {
                conversation
                for back in range(3)
                for conversation in self._owned((user - back) % self.users.base)
                if user in self.listers(conversation)
            }
        )
        return [self._conversation_id(i) for i in found]

    def _owned(self, user: int) -> range:
        size, users = self.conversations.base, self.users.base
        return range(-(-user * size // users), -(-(user + 1) * size // users))

    def held(self, conversation: int) -> list[int]:
        """Give the numbers of the messages in a conversation."""
        first, last = self._starts(conversation), self._starts(conversation + 1)
        return [*range(first, last), *self._placed.get(conversation, ())]

    def _starts(self, conversation: int) -> int:
        total, parts = self.messages.base, self.conversations.base
        if conversation >= parts:
            return total
        even = conversation * total // parts
        spread = total // parts // 2
        return (
            even + mix(self._seed ^ 4, conversation) % spread if conversation and spread else even
        )

    # Records.

    def _conversation_id(self, index: int) -> bytes:
        return _ident(self._seed ^ 3, index)

    def user(self, index: int) -> bytes:
        """Render one user."""
        bits = mix(self._seed ^ 5, index)
        person, locale = name(bits)
        first, _, last = person.partition(" ")
        created = self.users.created(index) - bits % 9_000_000_000
        phone = b'"+%d"' % (10_000_000_000 + bits % 89_999_999_999) if bits & 7 else b"null"
        avatar = b'{"url":"https://img.example.test/u/%d.png"}' % index if bits & 24 else b"null"
        vip = b',{"name":"vip","value":"%d"}' % (bits >> 9 & 1) if bits >> 5 & 1 else b""
        return (
            b'{"id":"%s","created_time":"%s","updated_time":"%s","first_name":"%s","last_name":%s,'
            b'"email":"user%d@example.test","phone":%s,"avatar":%s,"locale":"%s","revision":%d,'
            b'"properties":[{"name":"plan","value":"%s"}%s]%s}'
        ) % (
            _ident(self._seed ^ 2, index), iso(created), iso(self.users.updated(index)),
            text(first), b'"%s"' % text(last) if last else b"null", index, phone, avatar,
            locale.encode(), self.users.revision(index), (b"free", b"pro", b"team")[bits >> 6 & 1],
            vip, b"" if bits % 10 == 0 else b',"reference_id":"crm-%d"' % index,
        )  # fmt: skip

    def conversation(self, index: int) -> bytes:
        """Render one conversation."""
        bits = mix(self._seed ^ 6, index)
        agent = b'"%s"' % self._agent_ids[bits % _AGENTS] if bits & 3 else b"null"
        users = b",".join(b'{"id":"%s"}' % _ident(self._seed ^ 2, u) for u in self.listers(index))
        ident = self._conversation_id(index)
        vip = b',"cf_vip":true' if bits >> 8 & 1 else b""
        return (
            b'{"conversation_id":"%s","app_id":"%s","url":"https://desk.example.test/c/%s",'
            b'"status":"%s","created_time":"%s","updated_time":"%s","channel_id":"%s",'
            b'"assigned_agent_id":%s,"assigned_group_id":null,"users":[%s],"revision":%d,'
            b'"properties":{"priority":"%s","cf_order":"A-%d"%s}}'
        ) % (
            ident, self._app, ident, (b"new", b"assigned", b"resolved")[bits % 3],
            iso(self.conversations.created(index) - bits % 86_400_000),
            iso(self.conversations.updated(index)), _ident(self._seed ^ 7, bits % _CHANNELS),
            agent, users, self.conversations.revision(index),
            (b"Low", b"Medium", b"High", b"Urgent")[bits >> 10 & 3], bits >> 40, vip,
        )  # fmt: skip

    def message(self, index: int) -> bytes:
        """Render one message; as the API does, it does not name its conversation."""
        bits = mix(self._seed ^ 8, index)
        before, after, _ = self._phrases[bits % _PHRASES]
        by_user = bits >> 10 & 1
        actor = _ident(self._seed ^ 2, bits % self.users.base)
        agent = self._agent_ids[bits % _AGENTS]
        image = b',{"image":{"url":"https://img.example.test/m/%d.jpg"}}' % index
        interaction = b'"interaction_id":"%010d",' % (bits % 10**10) if bits >> 12 & 7 else b""
        return (
            b'{"id":"%s","app_id":"%s","user_id":"%s","actor_type":"%s","actor_id":"%s",'
            b'"created_time":"%s","message_type":"normal",%s"message_parts":[{"text":{"content":'
            b'"%s%d%s"}}%s],"reply_parts":%s,"tags":[%s]}'
        ) % (
            _ident(self._seed ^ 8, index), self._app, actor, b"user" if by_user else b"agent",
            actor if by_user else agent, iso(self.messages.created(index)), interaction,
            before, index, after, image if bits >> 16 & 7 == 0 else b"",
            _QUICK_REPLY if bits >> 24 & 15 == 0 else b"null",
            b'"%s"' % text(TAGS[bits % len(TAGS)]) if bits >> 20 & 1 else b"",
        )  # fmt: skip

    def _roles(self) -> list[bytes]:
        return [
            b'{"id":"role-%d","name":"%s","description":%s,"is_custom_role":%s}'
            % (number, text(role), b'"%s access"' % text(role) if said else b"null", custom)
            for number, (role, said, custom) in enumerate(_ROLES)
        ]

    def _agent(self, index: int) -> bytes:
        bits = mix(self._seed ^ 9, index)
        groups = b",".join(b'"group-%d"' % ((bits >> s) % _GROUPS) for s in range(bits % 3))
        avatar = (
            b"null" if index % 5 == 0 else b'{"url":"https://img.example.test/a/%d.png"}' % index
        )
        return (
            b'{"id":"%s","email":"agent%d@example.test","first_name":"%s","avatar":%s,'
            b'"groups":[%s],"role_id":"role-%d","created_time":"%s","is_deactivated":%s}'
        ) % (
            self._agent_ids[index], index, text(name(bits)[0]), avatar, groups,
            bits % len(_ROLES), iso(self.settings.now_ms - bits % 10**11),
            b"true" if index % 11 == 0 else b"false",
        )  # fmt: skip

    def _group(self, index: int) -> bytes:
        kind = (b"INTELLIASSIGN", b"BROADCAST")[index % 2]
        topic = text(TAGS[index])
        return b'{"id":"group-%d","name":"%s","routing_type":"%s"}' % (index, topic, kind)

    def _channel(self, index: int) -> bytes:
        ident = _ident(self._seed ^ 7, index)
        label = text(CHANNELS[index].title())
        when = iso(self.settings.now_ms - index * 10**9)
        icon = b"null" if index == 3 else b'{"url":"https://img.example.test/c/%d.svg"}' % index  # noqa: PLR2004 (one of them is null)
        return (
            b'{"id":"%s","name":"%s","icon":%s,"updated_time":"%s","enabled":true,"locale":null}'
        ) % (ident, label, icon, when)

    def _fields(self) -> list[bytes]:
        kinds = (b"dropdown", b"text", b"checkbox", b"dropdown", b"text", b"decimal")
        return [
            b'{"id":"field-%d","type":"%s","name":"%s","label":"%s","required":%s,"choices":[%s]}'
            % (n, kind, f.encode(), text(f.removeprefix("cf_").title()),
               b"true" if n == 0 else b"false",
               b'{"id":1,"value":"Low"},{"id":2,"value":"High"}' if kind == b"dropdown" else b"")
            for n, (f, kind) in enumerate(zip(_FIELDS, kinds, strict=True))
        ]  # fmt: skip

    def _account(self) -> bytes:
        return (
            b'{"account_id":%d,"app_id":"%s","plan_type":"GROWTH","organisation_id":%d,'
            b'"timezone":"Europe/Riga","features":{"bots":true,"seats":25},"trial_ends":null}'
        ) % (self._seed % 10**9, self._app, self._seed % 10**6)

    # Truth and change.

    def truth(self, stream: str) -> Iterator[bytes]:
        """Give every record that a complete load of a stream holds now, with its parent's id."""
        match stream:
            case "roles":
                return iter(self._roles())
            case "users":
                return map(self.user, range(self.users.size))
            case "agents":
                return map(self._agent, range(_AGENTS))
            case "groups":
                return map(self._group, range(_GROUPS))
            case "account":
                return iter([self._account()])
            case "channels":
                return map(self._channel, range(_CHANNELS))
            case "conversations":
                return map(self.conversation, range(self.conversations.size))
            case "users_conversations":
                return self._all_listings()
            case "conversations_messages":
                return self._all_messages()
            case "conversations_properties":
                return iter(self._fields())
            case _:
                raise KeyError(stream)

    def _all_listings(self) -> Iterator[bytes]:
        for user in range(self.users.size):
            parent = _ident(self._seed ^ 2, user).decode()
            for ident in self.listed(user):
                yield with_field(_listing(ident), "user_id", parent)

    def _all_messages(self) -> Iterator[bytes]:
        for conversation in range(self.conversations.size):
            parent = self._conversation_id(conversation).decode()
            for index in self.held(conversation):
                yield with_field(self.message(index), "conversation_id", parent)

    def _advance(self, count: int) -> Step:
        joined = -(-count // 50)
        before = self.users.now
        users = self.users.advance(joined, max(1, count // 10))
        self.conversations.advance(joined, 0)
        messages = self.messages.advance(count, 0)
        for index in messages.added:
            conversation = mix(self._seed ^ 10, index) % self.conversations.size
            self._placed.setdefault(conversation, []).append(index)
            self.conversations.touch(conversation, max(before, self.messages.created(index)))
        return Step(
            added=len(users.added) + len(messages.added) + joined,
            late=len(messages.late),
            changed=len(users.changed),
            now_ms=self.users.now,
        )


def _listing(ident: bytes) -> bytes:
    """Render a conversation as a user's list shows it: its id, and for some a label."""
    label = b',"label":"starred"' if ident.endswith(b"7") else b""
    return b'{"id":"%s"%s}' % (ident, label)


def _ident(seed: int, index: int) -> bytes:
    """Give an id in the form of a UUID whose last part is the record's number."""
    bits = mix(seed, index)
    return b"%08x-%04x-4%03x-a%03x-%012x" % (
        bits & 0xFFFFFFFF, bits >> 32 & 0xFFFF, bits >> 48 & 0xFFF, bits >> 52, index,
    )  # fmt: skip


def _is_hex(digits: str) -> bool:
    return len(digits) == 12 and all(d in "0123456789abcdef" for d in digits)  # noqa: PLR2004 (as ids are long)
