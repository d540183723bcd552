"""Small problems to the proof: enumeration of patterns and covers by them, and models that select patterns."""
