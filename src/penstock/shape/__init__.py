"""SHAPING it: raw records to typed Arrow tables."""

from penstock.shape.report import SchemaChange, Statistics
from penstock.shape.roles import Order, Roles
from penstock.shape.schema import (
    Batch,
    Block,
    Discarded,
    Schema,
    Segment,
    Style,
    Table,
    TableColumn,
)
from penstock.shape.shaper import Shaper, warm_up

__all__ = [
    "Batch",
    "Block",
    "Discarded",
    "Order",
    "Roles",
    "Schema",
    "SchemaChange",
    "Segment",
    "Shaper",
    "Statistics",
    "Style",
    "Table",
    "TableColumn",
    "warm_up",
]
