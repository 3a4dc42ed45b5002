"""Configuration: text to plain data with places, to frozen classes with every mistake named at once."""
