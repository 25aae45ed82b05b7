"""Bundles to evidence: learning curves and confusion matrices."""
