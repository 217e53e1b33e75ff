"""The tunnels from hosts' loopback to the registry of the DU."""
