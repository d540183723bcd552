"""Construction pod by pod under all rules: greedy completion, repair, and first-fit to compare with."""
