"""The executor `local`: commands in sandboxes of this machine."""
