"""Packing nodes by amounts: fills in numpy, what a node holds that is worth most, room on existing nodes."""
