"""The strategy `judge`: all agents answer, and one of them chooses."""
