"""Exact GTZAN features, honest genre models, and a classifier for your own music."""

__version__ = "0.1.0"
