"""Finding, loading and judging plugins."""
