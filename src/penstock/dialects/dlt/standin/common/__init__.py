"""`dlt.common`, as far as scripts use it."""
