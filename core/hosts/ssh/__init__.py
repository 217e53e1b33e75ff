"""The line to a host: the way there, the login, host keys, commands."""
