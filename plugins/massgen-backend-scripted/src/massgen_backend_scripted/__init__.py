"""A backend that answers from a script."""
