"""Repairs: what the dialects say is to be changed, and how it is written into a document."""
