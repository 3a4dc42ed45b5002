"""Tools made of Python functions."""
