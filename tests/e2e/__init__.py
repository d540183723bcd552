"""Tests that drive a real control plane."""
