"""Observe and change a language model."""
