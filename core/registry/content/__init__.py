"""What a registry holds: at one moment to the byte, and name by name."""
