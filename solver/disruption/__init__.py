"""
What may be taken away from a cluster, for which reason, how much at a time, and what that costs.

`candidates` says which nodes may go and why the others may not, `choice` what that means for one plan: nodes that go by
themselves (expired, drifted), nodes that the search may take, and the limits on their number. `worth` prices a removal,
`steps` puts a plan into an order that can be carried out, `keep` says why a node stays.
"""
