"""Records by chance: which fields they have, and what stands in them from one run to the next."""

from __future__ import annotations

import random
from typing import Any

from tests.parity.dlt.data import Parts, Record

from penstock.shape.names import identifier

WORDS = ["alpha", "beta", "gamma", "delta", "order", "user", "city", "price", "note", "level"]
KEYS = [
    *("name", "title", "status", "amount", "score", "order", "select", "value", "tag"),
    *("userName", "HTTPStatus", "camelCaseID", "UPPER", "User-Id", "with space", "a.b", "x__y"),
    *("_private", "trail_", "9lives", "ÄÖÜ", "größe", "emoji🙂key", "$set", "a+b", "a|b", "a@b"),
    *("índice", "日本", "list", "table", "count", "idx", "parent_id", "x1", "longer_" * 7),
]  # fmt: skip
TEXTS = ["", "a", "Ünïcode 🙂", "line\nbreak", "'quoted' \"twice\"", "  spaces ", "null", "None",
         "\t", "{braces}", "100%", "NaN", "true", "0x1F", "1_000", "-", "ß" * 40]  # fmt: skip
SCALARS = ("int", "long", "float", "text", "odd", "bool", "instant", "local", "date", "time",
           "number text", "uuid")  # fmt: skip
NESTED = ("object", "scalars", "objects", "lists", "mixed", "hollow")


def plain(key: str) -> str:
    """What tells columns apart: two keys of one name are a case of their own."""
    return identifier(key).replace("_", "")


def fields(rng: random.Random, depth: int = 0, most: int = 5) -> list[Parts]:
    """What a record may hold: keys that stay apart as columns, and a kind for each."""
    taken: set[str] = set()
    found: list[Parts] = []
    for _ in range(rng.randint(1, most)):
        key = rng.choice(KEYS)
        if plain(key) in taken:
            continue
        taken.add(plain(key))
        found.append({"key": key, **_kind(rng, depth)})
    return found


def _kind(rng: random.Random, depth: int) -> Parts:
    holes = {"absent": rng.choice([0, 0, 0.2, 0.6]), "null": rng.choice([0, 0, 0.2, 0.5, 1])}
    if depth < 3 and rng.random() < 0.35:
        kind = rng.choice(NESTED)
        inside = fields(rng, depth + 1, 3) if kind in {"object", "objects"} else []
        of = rng.choice(SCALARS)
        return {"kind": kind, "fields": inside, "of": of, **holes, "null": holes["null"] / 2}
    kinds = [rng.choice(SCALARS)]
    if rng.random() < 0.12:
        kinds.append(rng.choice([*SCALARS, "scalars", "object"]))
    return {"kind": kinds[0], "also": kinds[1:], "fields": [], "of": "int", **holes}


def fill(rng: random.Random, held: list[Parts]) -> Record:
    """One record."""
    made: Record = {}
    for field in held:
        if rng.random() < field["absent"]:
            continue
        made[field["key"]] = None if rng.random() < field["null"] else _value(rng, field)
    return made


def _value(rng: random.Random, field: Parts) -> Any:
    kind = rng.choice([field["kind"], *field.get("also", ())])
    few = rng.choice([0, 1, 1, 2, 3])
    match kind:
        case "object":
            return fill(rng, field["fields"])
        case "scalars":
            return [scalar(rng, field["of"]) for _ in range(few)]
        case "objects":
            return [fill(rng, field["fields"]) for _ in range(few)]
        case "lists":
            return [[scalar(rng, field["of"]) for _ in range(rng.randint(0, 2))]
                    for _ in range(few)]  # fmt: skip
        case "mixed":
            return [rng.choice([1, "two", True, None, 2.5]) for _ in range(few)]
        case "hollow":
            return rng.choice([{}, [], {"in": {}}, {"in": []}, [None]])
    return scalar(rng, kind)


def scalar(rng: random.Random, kind: str) -> Any:
    """A value of a kind."""
    day = f"20{rng.randint(10, 29)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    clock = f"{rng.randint(0, 23):02d}:{rng.randint(0, 59):02d}:{rng.randint(0, 59):02d}"
    match kind:
        case "int":
            return rng.randint(-9, 99)
        case "long":
            return rng.choice([2**53 + 1, 2**63 - 1, -(2**63), 10**15, 2**31, 0])
        case "float":
            return rng.choice([1.5, -0.25, 3.0, 1e300, 5e-324, 0.1, rng.randint(0, 999) / 8])
        case "text":
            return f"{rng.choice(WORDS)} {rng.randint(1, 99)}"
        case "odd":
            return rng.choice(TEXTS)
        case "bool":
            return rng.random() < 0.5
        case "instant":
            ends = ("Z", "+00:00", "+02:00", "-0530", ".5Z", ".123456Z", ".123Z")
            return f"{day}{rng.choice('TTT ')}{clock}{rng.choice(ends)}"
        case "local":
            return f"{day}T{clock}{rng.choice(['', '', '.25'])}"
        case "date":
            return day
        case "time":
            return clock
        case "number text":
            return rng.choice(["12", "-7", "1.5", "007", "1e5", "12345678901234567890"])
    return "-".join(f"{rng.getrandbits(16):04x}" for _ in range(4))


def grow(rng: random.Random, held: list[Parts]) -> list[Parts]:
    """The fields of the second run: mostly the same, at times one more or one of another kind."""
    again = [dict(field) for field in held]
    if again and rng.random() < 0.25:
        changed = rng.choice(again)
        changed["also"] = [*changed.get("also", ()), rng.choice(SCALARS)]
    if rng.random() < 0.4:
        taken = {plain(f["key"]) for f in held}
        again += [f for f in fields(rng, 1, 2) if plain(f["key"]) not in taken]
    return again


CURSORS = ("int", "instant", "offset", "fraction", "local", "date", "text", "float")


def moment(kind: str, nth: int) -> Any:
    """The value of a cursor that grows with a number."""
    day, hour = nth // 24 % 28 + 1, nth % 24
    month = nth // (24 * 28) + 1
    match kind:
        case "int":
            return 100 + 10 * nth
        case "float":
            return nth / 8
        case "text":
            return f"v{nth:05d}"
        case "date":
            return f"2024-{nth // 28 % 12 + 1:02d}-{nth % 28 + 1:02d}"
        case "instant":
            return f"2024-{month:02d}-{day:02d}T{hour:02d}:00:00Z"
        case "offset":
            return f"2024-{month:02d}-{day:02d}T{hour:02d}:00:00+02:00"
        case "fraction":
            return f"2024-{month:02d}-{day:02d}T{hour:02d}:00:00.{nth:06d}Z"
    return f"2024-{month:02d}-{day:02d}T{hour:02d}:00:00"
