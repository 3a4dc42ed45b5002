"""Configurations of MassGen 0.0 and 0.1."""
