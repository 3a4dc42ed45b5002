"""Four middlewares around model calls."""
