"""An opinion on commands and code before they run, by rules that are data."""
