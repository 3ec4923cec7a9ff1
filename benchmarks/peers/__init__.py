"""Other libraries beside ours: the same splits, the same judge, each in its own environment and its own process."""
