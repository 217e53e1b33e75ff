"""The DU's own registry: its process, and its storage as files."""
