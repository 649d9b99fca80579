"""What a script asks of its pipelines: runs, what came of them, and the state that a run has."""
