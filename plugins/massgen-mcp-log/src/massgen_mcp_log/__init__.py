"""The organised log of MCP."""
