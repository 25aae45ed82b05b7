"""Sounds and music made by rule, for tests and the demonstration."""
