"""Tests that go through many screens: walks, pictures of all of them, text from outside on each."""
