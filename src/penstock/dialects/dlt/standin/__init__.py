"""A stand-in for the package `dlt`: what a user's script needs of it to say what it wants loaded.

Each file stands for what dlt has in a module of its own; `execute` runs a script with it.
"""
