"""SHAPING it: raw records to typed Arrow tables."""

from penstock.shape.report import SchemaChange, Statistics
from penstock.shape.schema import Batch, Block, Schema, Segment, Table, TableColumn
from penstock.shape.shaper import Shaper

__all__ = [
    "Batch",
    "Block",
    "Schema",
    "SchemaChange",
    "Segment",
    "Shaper",
    "Statistics",
    "Table",
    "TableColumn",
]
