"""Rules across nodes: how many pods of each class each cell (a zone, say) gets."""
