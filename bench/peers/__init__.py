"""Other planners over the same problems, for comparison."""
