"""Mail servers: the sandbox with its inbox, and the real one."""
