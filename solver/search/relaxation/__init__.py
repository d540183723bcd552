"""The compact relaxation: volumes of pods on kinds of nodes. Guides every step, and bounds every plan."""
