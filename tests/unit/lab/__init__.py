"""The lab itself, as far as it needs no lab."""
