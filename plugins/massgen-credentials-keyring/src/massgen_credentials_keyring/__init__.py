"""The store `keyring`: secrets in the keyring of the operating system."""
