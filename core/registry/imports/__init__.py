"""From a bundle into a registry: read once, hashed, compressed, sent, named."""
