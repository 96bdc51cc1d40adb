"""One suite per port, which every adapter of the port passes."""
