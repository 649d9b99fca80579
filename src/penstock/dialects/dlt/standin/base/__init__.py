"""What the whole stand-in rests on: values as marked texts, what a script did, how it is told."""
