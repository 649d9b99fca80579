"""Whole configurations by chance, each with the description of an API that it is for.

What differs on purpose between the engines is left out here where it is a case elsewhere (see
docs/parity.md), and where it would hide other differences; `known` tells of the rest.
"""

from __future__ import annotations

import random
from typing import Any

from tests.parity.dlt.chance import answers, hints, more, paging, rarer, rarest, records, wider
from tests.parity.dlt.data import Parts, Record

BASE = "http://api"
NAMES = ["users", "UserEvents", "9things", "order", "käse", "user-groups", "a_b", "Select", "posts"]
ODD_KEYS = [
    "a b",
    "ü",
    "x+y",
    "A",
    "it's",
    "é=1&2",
    "10",
    "007",
    "日本",
    "a.b",
    "ok",
    "{x}",
    "100%",
]


def compose(seed: int) -> Parts:
    """A scenario: the configuration, what the API is, and how often it is run. Plain data."""
    rng = random.Random(seed)
    made = _Made(rng)
    for stem in [f"r{n}" for n in range(rng.choice([1, 1, 1, 2, 2, 3, 4]))]:
        made.resource(stem)
    wide = wider.widened(seed, more.widened(seed, made.scenario(seed)))
    return rarest.widened(seed, rarer.widened(seed, wide))


class _Made:
    """A scenario that is being made."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.resources: list[Any] = []
        self.apis: Parts = {}
        self.known: list[Parts] = []  # what children can be made of
        self.names = rng.sample(NAMES, 4)
        self.client = _client(rng)
        self.runs = rng.choice([1, 2, 2])

    def scenario(self, seed: int) -> Parts:
        config: Parts = {"client": self.client, "resources": self.resources}
        _hoist(self.rng, config)
        return {
            "seed": seed,
            "config": config,
            "apis": self.apis,
            "runs": self.runs,
        }

    def chance(self, of: float) -> bool:
        """True so often."""
        return self.rng.random() < of

    def resource(self, stem: str) -> None:
        """A resource, and what its path answers."""
        rng = self.rng
        held = records.fields(rng)
        parent = rng.choice(self.known) if self.known and self.chance(0.6) else None
        key = rng.choice(["int", "int", "text", "odd"])
        name = self.names[int(stem[1:])]
        wrap = rng.choice([*answers.WRAPS, "data", "data", "items", "root"])
        endpoint: Parts = {}
        spec: Parts = {"wrap": wrap}
        self.apis[stem] = spec
        self._asked(endpoint)
        paginator, spec["pages"] = paging.paged(rng, wrap, body="json" in endpoint)
        if paginator is not None:
            endpoint["paginator"] = paginator
        if spec["pages"].get("over"):
            endpoint["response_actions"] = [{"status_code": 404, "action": "ignore"}]
        selector = rng.choice(answers.SELECTORS[wrap])
        if wrap == "groups" and spec["pages"]["kind"] in {"offset", "page"}:
            selector = "groups[*].subs[*]"  # others count records as the API does not
        if selector is not None:
            endpoint["data_selector"] = selector
        made: Parts = {
            "name": name,
            "endpoint": endpoint,
            **hints.written(rng),
            **hints.of_table(rng, held),
        }
        cursor = None
        # A cursor below parents of several pages, or in a second run, is a case of its own.
        alone = parent is None or parent["pages"] == "none"
        if alone and self.chance(0.4 if parent is None else 0.1):
            self.runs = self.runs if parent is None else 1
            cursor = Cursor(rng)
            cursor.said(endpoint, spec)
        endpoint["path"] = self._path(stem)
        if parent is not None:
            self._below(stem, parent, made, spec)
        self._steps(made)
        owners = _owners(parent, spec.get("owner", {}).get("field", ""))
        spec["rounds"] = rounds(rng, held, key, cursor, owners)
        self.resources.append(made)
        pages = spec["pages"]["kind"]
        self.known.append({"name": name, "rounds": spec["rounds"], "key": key, "pages": pages})

    def _asked(self, endpoint: Parts) -> None:
        """Params, headers and a body that say nothing of pages or parents."""
        rng = self.rng
        if self.chance(0.3):
            values = ["a b&c", 5, 1.5, True, False, [1, 2], "", "ü/é", "{{literal}}", ["x", "y z"],
                      None, "100%", "a+b", 10**20]  # fmt: skip
            names = ["q", "filter[x]", "sort", "empty", "ünder", "a b", "$select"]
            endpoint["params"] = {n: rng.choice(values) for n in rng.sample(names, 2)}
        if self.chance(0.2):
            name = rng.choice(["X-Own", "X-Both", "x-lower"])
            endpoint["headers"] = {name: rng.choice(["own", "a, b", "{{x}}", "5"])}
        way = rng.random()
        if way < 0.2:
            endpoint["method"] = "POST"
            values = [1, "x", None, [1, {"b": None}], {"deep": {"er": "ü"}}, True, 1.5, "{{b}}", []]
            endpoint["json"] = {
                n: rng.choice(values) for n in rng.sample(["find", "sort", "a", "ö"], 2)
            }
            if not isinstance(endpoint["json"].get("find", {}), dict):
                del endpoint["json"]["find"]
            if not endpoint["json"]:
                endpoint["json"] = {"kind": "x"}
        elif way < 0.25:
            endpoint["method"] = "POST"
            endpoint["data"] = rng.choice(
                [{"a": "1 2", "b": "ü"}, [["a", "1"], ["a", "2"]], "raw text"]
            )
        elif way < 0.3:
            endpoint["method"] = "GET"

    def _path(self, stem: str) -> str:
        forms = [stem, stem, stem, f"/{stem}", f"{stem}/", f"{stem}?fixed=1&two=a%20b"]
        forms += [f"sub/{stem}", f"{BASE}/other/{stem}"]
        return self.rng.choice(forms)

    def _below(self, stem: str, parent: Parts, made: Parts, spec: Parts) -> None:
        """Bind a resource to a parent: by path, query, header or body."""
        rng = self.rng
        endpoint = made["endpoint"]
        name = parent["name"]
        field = rng.choice(["id", "id", "id", "name", "meta.ref"])
        bound = f"{{resources.{name}.{field}}}"
        plain = field == "id" and parent["key"] != "odd"
        ways = ["query", "query"] + (["path", "path", "resolve"] if plain else [])
        ways += ["json"] if "json" in endpoint else []
        ways += ["header"] if plain else []
        way = rng.choice(ways)
        where: list[Any] = ["query", "of"]
        if way in {"path", "resolve"}:
            tail = rng.choice(["", "", "/list"])
            if "data_selector" not in endpoint and spec["pages"]["kind"] == "offset":
                tail = (
                    "/list"  # one thing is no page: dlt counts what was asked, Penstock what came
                )
            where = ["path", 0]
            endpoint["path"] = f"{stem}/{bound}{tail}"
            if way == "resolve":
                endpoint["path"] = f"{stem}/{{parent}}{tail}"
                resolve = {"type": "resolve", "resource": name, "field": field}
                endpoint["params"] = {**endpoint.get("params", {}), "parent": resolve}
        elif way == "json":
            where = ["json", rng.choice(["of", "where.of"])]
            endpoint["json"] |= (
                {"of": bound} if where[1] == "of" else {"where": {"of": bound, "l": [bound]}}
            )
        elif way == "header":
            where = ["header", "X-Of"]
            endpoint["headers"] = {**endpoint.get("headers", {}), "X-Of": bound}
        else:
            endpoint["params"] = {**endpoint.get("params", {}), "of": bound}
        if self.chance(0.2):
            at = f"resources.{name}"
            more = rng.choice(
                [f"{{{at}.group}}", f"{{{at}.name!r}} of {bound}", f"{{{at}.group:>5}}"]
            )
            endpoint["params"] = {**endpoint.get("params", {}), "more": more}
        if self.chance(0.35):
            fields = ["id", "group", "name", "meta", "none"]
            made["include_from_parent"] = rng.sample(fields, rng.randint(1, 2))
        if self.chance(0.2):
            made["parallelized"] = True
        spec["owner"] = {"where": where, "field": field}
        self._faults(endpoint, parent, spec)

    def _faults(self, endpoint: Parts, parent: Parts, spec: Parts) -> None:
        """Some parents have no children to ask for; the configuration says what to do."""
        rng = self.rng
        if not self.chance(0.25):
            return
        said = rng.choice(["gone", "locked for now"])
        status = rng.choice([404, 422, 200, 403])
        owners = [_at(r, spec["owner"]["field"]) for r in parent["rounds"][0]]
        spec["faults"] = [
            {"of": o, "status": status, "says": said} for o in owners if rng.random() < 0.3
        ]
        action: Parts = {"action": "ignore"}
        if status != 200 and self.chance(0.6):
            action["status_code"] = status
        if status == 200 or "status_code" not in action or self.chance(0.3):
            action["content"] = said[:4]
        endpoint.setdefault("response_actions", []).append(action)
        if self.chance(0.2):
            endpoint["response_actions"].insert(0, {"status_code": 500, "action": "ignore"})

    def _steps(self, made: Parts) -> None:
        rng = self.rng
        if self.chance(0.15):
            ways = [{"filter": "some"}, {"map": "marked"}, {"yield_map": "doubled"},
                    {"filter": "some", "map": "marked"}, {"map": "lowered"}]  # fmt: skip
            chosen = rng.sample(ways, rng.choice([1, 1, 2]))
            made["processing_steps"] = [{k: {"$step": v} for k, v in w.items()} for w in chosen]
        if self.chance(0.1):
            made["selected"] = False
        elif self.chance(0.05):
            made["parallelized"] = True
        if self.chance(0.1):
            made["endpoint"].setdefault("response_actions", []).append({"$step": "lifted"})


def _client(rng: random.Random) -> Parts:
    client: Parts = {"base_url": BASE + rng.choice(["", "/", "/v1", "/v1/", "/v1/deep"])}
    if rng.random() < 0.3:
        client["headers"] = {"X-Client": "{not a template}", "X-Both": "client"}
    if rng.random() < 0.3:
        client["auth"] = rng.choice([
            {"type": "bearer", "token": "t0ken"}, {"token": "t0ken"},
            {"type": "api_key", "api_key": "k"},
            {"type": "api_key", "name": "X-Key", "api_key": "k ü"[:1], "location": "header"},
            {"type": "api_key", "name": "key", "api_key": "k&k", "location": "query"},
            {"type": "http_basic", "username": "user", "password": "pass:wörd"},
        ])  # fmt: skip
    return client


def _hoist(rng: random.Random, config: Parts) -> None:
    """Say once, for all resources, what one of them says; the others say what they have instead."""
    made = [r for r in config["resources"] if isinstance(r, dict)]
    if len(made) != len(config["resources"]) or rng.random() < 0.5:
        return
    defaults: Parts = {}
    for key in ("write_disposition", "primary_key", "max_table_nesting", "schema_contract"):
        holder = next((r for r in made if key in r), None)
        if holder is not None and rng.random() < 0.4:
            defaults[key] = holder.pop(key)
            for other in made:
                if other is not holder and key not in other:
                    other[key] = None
    first = made[0]["endpoint"]
    for key in ("paginator", "data_selector"):
        if key in first and all(key in r["endpoint"] for r in made) and rng.random() < 0.4:
            defaults.setdefault("endpoint", {})[key] = first.pop(key)
    if "params" in first and rng.random() < 0.3:
        plain = {k: v for k, v in first["params"].items() if k in {"q", "sort", "empty"}}
        for key in plain:
            first["params"].pop(key)
        defaults.setdefault("endpoint", {})["params"] = plain
    if "paginator" in defaults.get("endpoint", {}) and rng.random() < 0.5:
        config["client"]["paginator"] = defaults["endpoint"].pop("paginator")
    if defaults:
        config["resource_defaults"] = defaults


def _at(record: Record, path: str) -> Any:
    held: Any = record
    for step in path.split("."):
        held = held.get(step) if isinstance(held, dict) else None
    return held


# Cursors.


class Cursor:
    """An incremental by chance: how it is written, and the values that records have for it."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.kind = rng.choice(records.CURSORS)
        self.path = rng.choice(["at", "at", "$.at", "times.at", "times.at", "list[0].at"])
        self.order = rng.choice([None, None, None, "asc", "desc"])
        self.missing = rng.choice([None, None, "include", "exclude"])
        self.ways: Parts = {"cursor_path": self.path}

    def said(self, endpoint: Parts, spec: Parts) -> None:
        """Write it into an endpoint, in one of the spellings; the API may know of it."""
        rng, ways = self.rng, self.ways
        if rng.random() < 0.85:
            ways["initial_value"] = records.moment(self.kind, rng.choice([0, 0, 3, 8]))
        if self.order:
            ways["row_order"] = self.order
        if self.missing:
            ways["on_cursor_value_missing"] = self.missing
        if rng.random() < 0.15:
            ways["range_start"] = rng.choice(["open", "closed"])
        if rng.random() < 0.15:
            ways["primary_key"] = rng.choice(["id", [], ["id", "group"]])
        if rng.random() < 0.15 and self.kind not in {"text", "date"}:
            ways["lag"] = rng.choice([1, 30] if self.kind in {"int", "float"} else [60, 7200])
        elif rng.random() < 0.1:
            ways["last_value_func"] = rng.choice(["max", "min"])
            if ways["last_value_func"] == "min" and "initial_value" in ways:
                ways["initial_value"] = records.moment(self.kind, rng.choice([6, 12]))
        self._spelled(endpoint, spec)

    def _spelled(self, endpoint: Parts, spec: Parts) -> None:
        rng, ways = self.rng, self.ways
        spellings = ["param", "endpoint", "endpoint", "silent"]
        spellings += ["query", "header", "body"] if "initial_value" in ways else []
        way = rng.choice(spellings)
        if "initial_value" in ways and way != "param" and rng.random() < 0.2:
            ends = [0, 2] if ways.get("last_value_func") == "min" else [9, 12, 40]
            ways["end_value"] = records.moment(self.kind, rng.choice(ends))
            if rng.random() < 0.4:
                ways["range_end"] = rng.choice(["open", "closed"])
            if way == "endpoint" and rng.random() < 0.5:
                ways["end_param"] = "until"
        where: list[Any] = ["query", "since"]
        if way == "param":
            endpoint["params"] = {
                **endpoint.get("params", {}),
                "since": {"type": "incremental", **ways},
            }
        else:
            endpoint["incremental"] = ways
        attr = rng.choice(["start_value", "start_value", "last_value", "initial_value"])
        bound = f"{{incremental.{attr}}}"
        if way == "endpoint":
            ways["start_param"] = "since"
            if "initial_value" in ways and rng.random() < 0.2:
                ways["convert"] = {"$step": "said_so"}
        elif way == "query":
            endpoint["params"] = {**endpoint.get("params", {}), "since": bound}
        elif way == "header":
            where = ["header", "X-Since"]
            endpoint["headers"] = {**endpoint.get("headers", {}), "X-Since": bound}
        elif way == "body" and "json" in endpoint:
            where = ["json", "since"]
            endpoint["json"]["since"] = bound
        if way != "silent" and self.path in {"at", "$.at"} and rng.random() < 0.4:
            spec["since"] = {"where": where, "field": "at"}

    def put(self, record: Record, nth: int) -> Record:
        """A record with the cursor's value at its place; at times none, where that is allowed."""
        value = records.moment(self.kind, nth)
        if self.missing and self.rng.random() < 0.2:
            if self.rng.random() < 0.5 and self.path in {"at", "$.at"}:
                return record
            value = None
        place: Parts = {"at": value}
        if self.path == "times.at":
            place = {"times": place}
        elif self.path.startswith("list"):
            place = {"list": [place]}
        return {**record, **place}


# The records of both runs.


def _owners(parent: Parts | None, field: str) -> list[list[Any]]:
    """What the records of a parent hold at a field, in each run."""
    return [[_at(r, field) for r in run] for run in parent["rounds"]] if parent else [[], []]


def rounds(
    rng: random.Random,
    held: list[Parts],
    key: str,
    cursor: Cursor | None,
    owners: list[list[Any]],
) -> list[list[Record]]:
    """Records of the first run, and of the second: some changed, some gone, some new."""
    many = rng.choice([0, 1, 2, 3, 5, 7, 7, 12])
    first: list[tuple[int, Record]] = []
    again: list[tuple[int, Record]] = []
    later = records.grow(rng, held)
    for nth in range(many + rng.choice([0, 0, 1, 3])):
        fresh = nth >= many
        made = _record(rng, later if fresh else held, key, nth)
        made = _placed(made, cursor, nth, owners[1 if fresh else 0], rng)
        if not fresh:
            first.append((nth, made))
        fate = rng.random()
        if fresh or fate < 0.5:
            again.append((nth, made))
        elif fate < 0.85:
            # The newest is told apart by its key at the boundary: a case of its own.
            stays = cursor is None or (0 < nth < many - 1 and rng.random() < 0.4)
            at = nth if stays else nth + many
            changed = _placed(_record(rng, later, key, nth), cursor, at, owners[1], rng)
            kept = {"id": made["id"], "group": made["group"]}
            again.append((at, {**changed, **kept}))
    return [_ordered(rng, run, cursor) for run in (first, again)]


def _record(rng: random.Random, held: list[Parts], key: str, nth: int) -> Record:
    made_key: Any = {"int": nth + 1, "text": f"k{nth}"}.get(key)
    if key == "odd":
        made_key = ODD_KEYS[nth] if nth < len(ODD_KEYS) else f"o{nth}"
    fixed = {"id": made_key, "group": nth % 3, "name": f"n {nth}", "meta": {"ref": f"ref/{nth}"}}
    fixed["none"] = rng.choice([None, "some"])
    return {**fixed, **{k: v for k, v in records.fill(rng, held).items() if k not in fixed}}


def _placed(
    made: Record, cursor: Cursor | None, nth: int, owners: list[Any], rng: random.Random
) -> Record:
    if cursor is not None:
        made = cursor.put({k: v for k, v in made.items() if k not in {"at", "times", "list"}}, nth)
    return {**made, "_of": rng.choice(owners)} if owners else made


def _ordered(
    rng: random.Random, run: list[tuple[int, Record]], cursor: Cursor | None
) -> list[Record]:
    if cursor is not None and cursor.order:
        run = sorted(run, key=lambda pair: pair[0], reverse=cursor.order == "desc")
    elif rng.random() < 0.3:
        run = rng.sample(run, len(run))
    return [made for _, made in run]
