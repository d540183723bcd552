"""A server that behaves like the OVH API for managed Kubernetes, for dry runs, demos and tests.

``model`` is the data, ``shop`` what can be bought, ``rules`` what a request may say, ``state`` every transition as a
pure function of time; ``bodies`` and ``routes`` speak HTTP's language without a socket, ``auth`` checks who speaks,
``faults`` spoils answers, ``control`` is the operator's side, ``server`` holds it all behind one lock, ``joiner``
makes a cluster look as MKS would leave it.
"""
