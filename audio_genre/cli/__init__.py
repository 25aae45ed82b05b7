"""The command line: arguments, progress, printing; no logic."""
