"""A run, live on a terminal."""
