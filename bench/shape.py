"""CPU per record of shaping, by lane and kind of record: `python bench/shape.py [records]`."""

from __future__ import annotations

import json
import random
import statistics
import sys
import time

from penstock.plan.hints import Hints
from penstock.shape import Block, Segment, Shaper

PAGE = 1000
ROUNDS = 5
WORDS = ("lorem", "ipsum", "dolor", "sit", "amet", "consectetur", "adipiscing", "elit", "tempor")


def message(rng: random.Random, number: int) -> dict[str, object]:
    """A chat message as messaging APIs give it, about 700 bytes."""
    text = " ".join(rng.choices(WORDS, k=14))
    record = {
        "id": f"msg_{number:012d}",
        "conversation_id": f"conv_{rng.randrange(10**9):09d}",
        "created_time": f"2024-0{rng.randrange(1, 10)}-12T08:{rng.randrange(10, 60)}:00.123Z",
        "updated_time": "2024-03-12T09:15:00Z",
        "channel": rng.choice(["web", "email", "voice"]),
        "direction": "inbound",
        "is_private": rng.random() < 0.1,
        "size": rng.randrange(10**6),
        "score": round(rng.random(), 4),
        "user": {
            "id": rng.randrange(10**6),
            "name": "Jane Doe",
            "email": f"user{number}@example.com",
            "avatar": None,
        },
        "properties": [{"key": "lang", "value": "en"}, {"key": "tz", "value": "UTC+1"}],
        "parts": [{"type": "text", "text": text, "pos": p} for p in range(rng.randrange(1, 3))],
        "tags": rng.choices(["new", "vip", "billing"], k=rng.randrange(4)),
        "attachments": [],
    }
    if rng.random() < 0.9:
        record["rating"] = rng.randrange(5)
    return record


def flat(rng: random.Random, number: int) -> dict[str, object]:
    """A record of 21 scalars."""
    texts = {f"text_{n}": " ".join(rng.choices(WORDS, k=3)) for n in range(10)}
    numbers = {f"count_{n}": rng.randrange(10**6) for n in range(6)}
    times = {"created_at": "2024-03-12T09:15:00Z", "updated_at": "2024-03-12T09:15:00.5+01:00"}
    return {"id": number, **texts, **numbers, **times, "open": True, "price": rng.random()}


def block(make, records: int, load_id: str = "load") -> Block:
    rng = random.Random(7)
    rows = [json.dumps(make(rng, n), separators=(",", ":")).encode() for n in range(records)]
    pages = [Segment(records=rows[n : n + PAGE]) for n in range(0, records, PAGE)]
    return Block(load_id=load_id, segments=pages)


def measure(name: str, data: Block, hints: Hints, lane: str) -> None:
    shaper = Shaper("messages", hints, None)
    learn = Block(load_id="first", segments=data.segments[:1])
    shaper.shape(learn)
    shaper._lanes._lane = lane  # noqa: SLF001 (after learning, one lane alone is measured)
    spent = []
    for _ in range(ROUNDS):
        start = time.process_time()
        batch = shaper.shape(data)
        spent.append((time.process_time() - start) / data.rows * 1e6)
    size = sum(len(r) for s in data.segments for r in s.records) / data.rows
    print(
        f"{name:34} {lane:6} {size:5.0f} B/record {batch.rows / data.rows:5.1f} rows/record "
        f"{statistics.median(spent):6.2f} us/record (best {min(spent):.2f})"
    )


def main() -> None:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    nested, plain = block(message, records), block(flat, records)
    merge = Hints(write="merge", primary_key=("id",))
    for lane in ("main", "exact"):
        measure("nested, 4 child tables", nested, Hints(), lane)
        measure("nested, merge by id", nested, merge, lane)
        measure("nested as JSON columns", nested, Hints(nesting="json"), lane)
        measure("flat, 21 columns", plain, Hints(), lane)


if __name__ == "__main__":
    main()
