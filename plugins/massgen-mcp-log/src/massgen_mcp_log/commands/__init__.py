"""The commands `massgen mcp logs|timeline|stats|bench|anomalies|export|archive`."""
