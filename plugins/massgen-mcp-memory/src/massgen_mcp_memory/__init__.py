"""The transport `memory`: MCP servers that are objects of this process."""
