"""
The Kubernetes objects that people write: NodePool, NodeClaim and OVHNodeClass, with the value types of their fields.

`quantity`, `duration` and `percent` turn texts into integers; `nodepool`, `nodeclaim` and `ovhnodeclass` are the typed
objects; `validation` says what is wrong with an object that is not one; `generate` writes the definitions of the kinds
for the API server.
"""
