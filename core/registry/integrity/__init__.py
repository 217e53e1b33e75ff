"""What is wrong in a registry, mending it, and giving back what no name needs."""
