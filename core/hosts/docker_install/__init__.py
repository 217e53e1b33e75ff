"""Docker for a host out of dockerRepo, offline."""
