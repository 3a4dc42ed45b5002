"""The executor `docker`: commands in hardened containers."""
