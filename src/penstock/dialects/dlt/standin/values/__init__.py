"""Values by name: settings, secrets, and classes whose fields are values."""
