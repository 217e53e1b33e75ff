"""Fast tests of one room each; nothing beyond loopback, nothing of the lab."""
