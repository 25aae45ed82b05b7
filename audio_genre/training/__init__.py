"""Arrays to model bundles: the dense variants, one fit loop, the bundle."""
