"""One host over SSH: connection, facts, packages, Docker's engine, and the tunnel to the DU."""
