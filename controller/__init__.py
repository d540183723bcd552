"""Everything with side effects: API server, OVHcloud API, simulator, loops, metrics, the root of the command line."""
