"""Looking back at runs."""
