"""Files to arrays and groups: tables and evaluation protocols."""
