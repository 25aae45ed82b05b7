"""Bundle and clip to answer."""
