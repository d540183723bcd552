"""Improvement of packings: topping nodes up, and neighbourhoods around the incumbent."""
