"""Folder of audio to tables and pictures: plan, one clip's work, journal, engines, writers."""
