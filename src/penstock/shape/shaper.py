"""The shaper of one stream: what the rest of Penstock sees of this room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from penstock.plan.hints import ColumnType, Hints
from penstock.shape.grow import plant, settle
from penstock.shape.report import Statistics, Tally
from penstock.shape.roles import Roles, roles
from penstock.shape.schema import Batch, Block, Schema, Style, Within

if TYPE_CHECKING:
    from penstock.shape.lanes import Lane, Lanes


def warm_up() -> None:
    """Load what shaping needs, before there is anything to shape."""
    from penstock.shape import lanes  # noqa: F401, PLC0415 (loading it is the point)


class Shaper:
    """Turns one stream's blocks of raw records into Arrow tables, and grows its schema.

    `known` is the schema as the destination keeps it. `extras` declares the columns that segments
    add. `style` says how tables are made. `lane` is for tests: "exact" never
    uses the main lane, "main" raises `Refused` where the exact lane would be needed. `after` is the
    shaper that this one takes the place of: rows are numbered on. `within` is there where rows
    are from lists in rows of another table. One call at a time.
    """

    def __init__(  # noqa: PLR0913 (all that a tree grows from)
        self,
        stream: str,
        hints: Hints,
        known: Schema | None,
        *,
        extras: Mapping[str, ColumnType] | None = None,
        style: Style | None = None,
        lane: Lane = "auto",
        after: Shaper | None = None,
        within: Within | None = None,
    ) -> None:
        self._hints = hints
        self._known = known
        self._lane: Lane = lane
        self._tally = Tally()
        self._tree = plant(
            stream, hints, known, extras or {}, self._tally, style=style or Style(), within=within
        )
        self._lanes: Lanes | None = None
        self.numbered: dict[str, int] = {} if after is None else after.numbered

    @property
    def schema(self) -> Schema:
        """The stream's tables, with everything that blocks have shown so far."""
        return self._tree.schema()

    @property
    def roles(self) -> Roles:
        """The columns that decide how rows are merged, as far as blocks have shown them."""
        return roles(self._tree, self._hints)

    @property
    def rooted(self) -> bool:
        """Whether rows of the stream's own table name those of another that they are from."""
        return self._tree.root.rooted

    @property
    def descends(self) -> bool:
        """Whether rows that come from lists in the stream's own name these, as in dlt."""
        return self._tree.system == "dlt" and (self._hints.names_roots or self.rooted)

    @property
    def declares(self) -> bool:
        """Whether there are columns besides the engine's own, be it before the first record."""
        return any(column.path for column in self.schema.root.columns)

    def settle(self) -> bool:
        """When all has come, make the declared columns to which no value gave a type.

        Says whether there are such, so that the schema is another one now.
        """
        return settle(self._tree, self._hints)

    def statistics(self) -> Statistics:
        """What has been done so far."""
        return self._tally.statistics()

    def renamed(self, block: Block) -> dict[str, str]:
        """The ids that rows of a block got in the place of those drawn before: digests of keys."""
        drawn = [one for segment in block.segments for one in segment.ids]
        # only rows of tables with dlt's columns get any
        found = self._lanes.digests(block.segments) if self._lanes is not None and drawn else None
        return {} if found is None else dict(zip(drawn, found.to_pylist(), strict=True))

    def shape(self, block: Block) -> Batch:
        """The tables of a block's records.

        Raises:
            ShapeError: a record cannot be shaped, or has no key.
            ContractError: the contract forbids what a record brings.
        """
        if self._lanes is None:
            # pyarrow takes 0.3 s to import, which a run with nothing new shall not pay
            from penstock.shape.lanes import Lanes  # noqa: PLC0415 (pyarrow is loaded when rows come)

            self._lanes = Lanes(
                self._tree, self._hints, self._known, self._tally, self._lane, self.numbered
            )
        return self._lanes.shape(block)
