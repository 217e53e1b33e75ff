"""Tests of what the terminal gets: how it is drawn on, and what is kept for it."""
