"""The page and its JSON API: what the command line does, in a browser on the user's own machine."""
