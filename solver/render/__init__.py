"""A plan as text: the published JSON and YAML, tables for people, names, and the NodeClaims to be."""
