"""DOING it: the only room that talks to the network."""
