"""Column generation: the linear master over patterns, exact pricing, and integral nodes out of fractional ones."""
