"""Airbyte low-code manifests, as the declarative engine reads them."""

from penstock.dialects.airbyte.source import compile_document

__all__ = ["compile_document"]
