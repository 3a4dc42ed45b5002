"""The strategy `single`: one agent answers, and its answer is the result."""
