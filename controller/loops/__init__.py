"""
The level-triggered loops. Each has pure functions that decide from what is known, and a thin part that acts.

Any of them may run twice or die anywhere: what is wanted is worked out anew from the cluster and from OVH each time.
"""
