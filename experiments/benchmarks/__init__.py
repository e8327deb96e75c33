"""Benchmarks of speed, memory and correctness: one module a claim, each compared with a straightforward implementation."""
