"""The commands `auth.*`: keys in stores, set, listed, deleted and looked for."""
