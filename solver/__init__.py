"""The pure core: from a cluster to a checked plan, without clock, network or environment."""
