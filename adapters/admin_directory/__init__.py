"""Admin Centers: the sandbox, and the real one."""
