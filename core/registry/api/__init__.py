"""The HTTP API of a registry: requests, logins, errors, and what answers mean."""
