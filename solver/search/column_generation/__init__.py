"""Column generation: the master over patterns, exact pricing, and whole nodes out of fractions."""
