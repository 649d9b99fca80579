"""Load REST APIs into a warehouse: complete, exactly once, as fast as the API allows."""

__version__ = "0.1.0"
