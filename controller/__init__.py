"""Everything with side effects: API server, OVHcloud API, simulator, loops, metrics, and the root of the command line."""
