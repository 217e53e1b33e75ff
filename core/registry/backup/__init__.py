"""The whole registry as one archive, and back."""
