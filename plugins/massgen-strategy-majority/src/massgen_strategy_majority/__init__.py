"""The strategy `majority`: the answer that comes most often in several samples."""
