"""Tests of the benchmarks and their peers."""
