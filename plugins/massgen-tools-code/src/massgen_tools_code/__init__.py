"""The toolset `code`: commands and code of agents, run in their sandbox."""
