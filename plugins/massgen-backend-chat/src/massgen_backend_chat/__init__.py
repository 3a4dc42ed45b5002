"""A backend for every server that speaks the Chat Completions protocol."""
