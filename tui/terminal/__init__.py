"""What a terminal can do, and what is sent to it."""
