"""KEEPING it: one file a destination; the folder is the registry."""
