"""The MCP client: tools, resources and prompts of any MCP server, of any protocol era, over any transport plugin."""
