"""A backend that records another one and plays it back."""
