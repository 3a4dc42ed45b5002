"""The protocols of model providers, a module each."""
