"""The commands `massgen config ...`."""
