"""The transports `http` and `sse`: MCP servers over HTTP."""
