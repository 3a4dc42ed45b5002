"""A backend whose model is Claude Code: an agent with tools of its own."""
