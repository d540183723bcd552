"""Consolidation: which nodes go, and where their pods move."""
