"""SHAPING it: raw records to typed Arrow tables."""
