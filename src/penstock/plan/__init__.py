"""WHAT to do: pure data and pure functions. Imports only `errors`; does no input or output."""
