"""The search: an answer always, a better one soon, and a bound that says how good it is."""
