"""From data to lines: pure, for the screens."""
