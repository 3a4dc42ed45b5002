"""A conversation with several agents."""
