"""What Python of the user's own stands on in a run, whichever dialect brings it."""
