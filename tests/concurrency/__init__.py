"""Real processes at the same rows at the same time."""
