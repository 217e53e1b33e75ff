"""The screens, driven as a user drives them."""
