"""The store `dotenv`: secrets from `.env` files."""
