"""A backend for Claude models: Anthropic's Messages API through its official SDK."""
