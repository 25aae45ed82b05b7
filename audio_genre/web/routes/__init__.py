"""The routes of the JSON API, one file for each thing they are about."""
