"""Airbyte low-code manifests."""
