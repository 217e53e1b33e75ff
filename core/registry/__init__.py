"""The registry: its HTTP API, the import into it, and the server on the DU."""
