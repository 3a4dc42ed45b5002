"""What runs inside of sandboxes, with the standard library alone: it is mounted there and imported by its plain name."""
