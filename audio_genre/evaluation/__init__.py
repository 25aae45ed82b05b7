"""Bundles and tables to evidence: comparison, exploration, figures, the page that holds them."""
