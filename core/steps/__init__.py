"""The steps: each one thing to bring about on one target, as check and apply."""
