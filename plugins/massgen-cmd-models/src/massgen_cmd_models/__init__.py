"""The command `models`: list and fetch the models of installed backends."""
