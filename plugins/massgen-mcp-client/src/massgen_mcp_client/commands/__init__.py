"""The commands `massgen mcp list`, `tools`, `call`, `doctor`, `add`, `remove` and `login`: servers without a run, and without a model."""
