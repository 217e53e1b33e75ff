"""The package itself: what is in it, and that it works where there is nothing else."""
