"""The strategy `consensus`: answer, look, vote, present."""
