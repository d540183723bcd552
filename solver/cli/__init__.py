"""
The command line of the pure half: `solve`, `catalog`, `crds`. The root that names them stands in `controller.cli`.
"""
