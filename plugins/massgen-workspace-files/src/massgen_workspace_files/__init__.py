"""Keeps what is in agents' folders, and brings it back."""
