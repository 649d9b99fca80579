"""The Dixa conversation export: every conversation updated in a window of at most 31 days."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from penstock.emulator.api import Api, Route, Step, bearer, moment, route
from penstock.emulator.chance import mix, salt
from penstock.emulator.changes import Collection, Selection
from penstock.emulator.people import CHANNELS, SUBJECTS, TAGS, name, text
from penstock.emulator.replies import Answer, Ask, Refused, page, problem
from penstock.emulator.settings import Settings
from penstock.emulator.times import DAY_MS

WINDOW_DAYS = 31
_HELD = 20_000
_PIECE = 1000
_POOL = 512
_STATUSES = (b"open", b"awaiting_pending", b"pending", b"closed")


class Dixa(Api):
    """The export of a support desk's conversations, made from their numbers.

    A conversation's `updated_at` is its place in the collection's timeline; it was created and
    closed some hours before.
    """

    name = "dixa"
    streams = ("conversation_export",)

    def __init__(self, settings: Settings, clock: Callable[[], float] | None = None) -> None:
        super().__init__(settings, *([clock] if clock else []))
        self.conversations = Collection("conversations", settings.records, settings)
        self._seed = salt(settings.seed, "dixa")
        self._people = tuple(self._person(nth) for nth in range(_POOL))
        self._agents = tuple(self._agent(nth) for nth in range(40))
        self._tags = tuple(self._tag_list(nth) for nth in range(64))

    def _routes(self) -> tuple[Route, ...]:
        return (route("GET", "/v1/conversation_export", self._export),)

    def refusal(self, ask: Ask) -> Answer | None:
        """Answer 401 unless the request bears the expected token."""
        if bearer(ask) == self.settings.api_token:
            return None
        return problem(401, "unauthorized", "the API token is missing or wrong")

    def _export(self, ask: Ask) -> Answer:
        by = "created" if "created_after" in ask.query else "updated"
        found = self._window(ask, by)
        if len(found) > _HELD:
            return Answer(pieces=lambda: self._pieces(found))
        return page(None, map(self.conversation, found))

    def _window(self, ask: Ask, by: str) -> Selection:
        low, high = (self._bound(ask, f"{by}_{side}") for side in ("after", "before"))
        if high < low:
            raise Refused(problem(400, "bad_request", f"{by}_before lies before {by}_after"))
        if high - low > WINDOW_DAYS * DAY_MS:
            message = f"the window is longer than {WINDOW_DAYS} days"
            raise Refused(problem(400, "bad_request", message))
        if by == "updated":
            return self.conversations.between(low, high, "updated")
        # A conversation was created at most this long before its place in the timeline.
        near = self.conversations.between(low, high + DAY_MS + 60_000, "created")
        found = (i for i in near if low <= self._created(i) <= high)
        return Selection(ranges=tuple(range(i, i + 1) for i in found))

    def _bound(self, ask: Ask, name: str) -> int:
        if name not in ask.query:
            raise Refused(problem(400, "bad_request", f"{name} is missing"))
        return moment(ask, name, 0)

    def _pieces(self, found: Selection) -> Iterator[bytes]:
        total = len(found)
        for offset in range(0, total, _PIECE):
            head = b"," if offset else b"["
            yield head + b",".join(map(self.conversation, found.cut(offset, _PIECE)))
        yield b"]"

    # Records.

    def _created(self, index: int) -> int:
        return self.conversations.created(index) - 60_000 - mix(self._seed ^ 1, index) % DAY_MS

    def conversation(self, index: int) -> bytes:
        """Render one conversation."""
        bits = mix(self._seed, index)
        updated = self.conversations.updated(index)
        created = self._created(index)
        closed = self.conversations.created(index) if bits & 3 else None
        last = self.conversations.created(index) - bits % 50_000
        status = b"closed" if closed else _STATUSES[(bits >> 2) % 3]
        rating = b"%d" % (1 + (bits >> 20) % 5) if bits >> 4 & 1 else b"null"
        return (
            b'{"id":%d,"created_at":%d,"updated_at":%d,"closed_at":%s,"last_message_created_at":%d,'
            b'"status":"%s","direction":"%s","initial_channel":"%s","subject":%s,%s,%s,'
            b'"rating_score":%s,"rating_status":"%s","tags":%s,"total_duration":%d,'
            b'"handling_duration":%s,"exchange_count":%d,"revision":%d}'
        ) % (
            100_000 + index, created, updated, b"%d" % closed if closed else b"null", last,
            status, b"inbound" if bits >> 5 & 3 else b"outbound",
            CHANNELS[(bits >> 8) % len(CHANNELS)].encode(), self._subject(bits >> 12),
            self._people[(bits >> 16) % _POOL], self._agents[(bits >> 26) % len(self._agents)],
            rating, b"scored" if rating != b"null" else b"unscheduled",
            self._tags[(bits >> 32) % 64], last - created,
            b"null" if bits >> 40 & 7 == 0 else b"%d" % (bits >> 43 & 0xFFFFF),
            bits >> 50 & 31, self.conversations.revision(index),
        )  # fmt: skip

    def _subject(self, bits: int) -> bytes:
        return b"null" if bits & 7 == 0 else b'"%s"' % text(SUBJECTS[bits % len(SUBJECTS)])

    def _person(self, nth: int) -> bytes:
        bits = mix(self._seed ^ 2, nth)
        email = b'"person%d@example.test"' % nth if bits & 15 else b"null"
        shape = b'"requester_id":"%s","requester_name":"%s","requester_email":%s'
        return shape % (_uuid(bits), text(name(bits)[0]), email)

    def _agent(self, nth: int) -> bytes:
        bits = mix(self._seed ^ 3, nth)
        queue = b'"queue_id":"%s","queue_name":"Queue %d"' % (_uuid(mix(1, nth % 5)), nth % 5)
        if nth % 8 == 0:
            return b'"assignee_id":null,"assignee_name":null,"assignee_email":null,' + queue
        shape = b'"assignee_id":"%s","assignee_name":"%s","assignee_email":"agent%d@example.test",'
        return shape % (_uuid(bits), text(name(bits >> 9)[0]), nth) + queue

    def _tag_list(self, nth: int) -> bytes:
        bits = mix(self._seed ^ 4, nth)
        picks = [TAGS[(bits >> 8 * n) % len(TAGS)] for n in range(bits % 4)]
        return b"[%s]" % b",".join(b'"%s"' % text(tag) for tag in dict.fromkeys(picks))

    # Truth and change.

    def truth(self, stream: str) -> Iterator[bytes]:
        """Give every record that a complete load of the export holds now, as JSON."""
        if stream not in self.streams:
            raise KeyError(stream)
        return map(self.conversation, range(self.conversations.size))

    def _advance(self, count: int) -> Step:
        grown = self.conversations.advance(count, max(1, count // 2))
        return Step(
            added=len(grown.added),
            late=len(grown.late),
            changed=len(grown.changed),
            now_ms=self.conversations.now,
        )


def _uuid(bits: int) -> bytes:
    digits = b"%016x%016x" % (bits, mix(bits, 7))
    return b"-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
