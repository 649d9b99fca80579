"""A stand-in for the package `dlt`: what a user's script needs of it to say what it wants loaded.

Seven floors, each of which imports only those below it. At the top, here, a script is executed
and read: `execute` is the door. Then `runs`, what it asks of its pipelines; `resources`, what it
builds; `values`, what the user brings; `rest_client`, how it asks an API itself; `common`, what it
takes of `dlt.common`; and `base`, on which all of them rest. What dlt has in one module is in one
file.
"""
