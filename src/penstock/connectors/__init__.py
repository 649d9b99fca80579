"""The bundled connectors: configurations anyone could have written."""
