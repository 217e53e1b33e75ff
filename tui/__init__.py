"""The screens: they read the journal and start engines, and do no work of their own."""
