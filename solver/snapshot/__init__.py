"""
From manifests to the cluster as plain data.

`reader` is the entry: `source` finds the objects in files, `yamltext` reads YAML, `edit` and `workloads` change and
expand raw objects, `pods`, `requests`, `constraints`, `ignored` and `objects` turn them into `solver.cluster`, `view`
gives them typed access, `errors` says what is wrong. `pending` tells which pods of a cluster are to be placed.
"""

from solver.snapshot.reader import from_objects, read

__all__ = ["from_objects", "read"]
