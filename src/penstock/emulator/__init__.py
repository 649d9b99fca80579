"""The APIs of the bundled connectors as local servers, with faults on request."""
