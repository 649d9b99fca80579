"""HOW people say it: each dialect compiles a document into one plan."""
