"""What conducts a run."""
