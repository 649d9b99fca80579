"""Sources and resources as a script builds them, and the functions that make their rows."""
