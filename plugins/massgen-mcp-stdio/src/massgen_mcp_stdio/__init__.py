"""The transport `stdio`: MCP servers as processes."""
