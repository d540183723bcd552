"""The OVH API as the controller sees it: typed answers, one error tree, one budget of calls.

``client`` is what the loops use; ``transport`` is the only module of the project that imports python-ovh.
"""
