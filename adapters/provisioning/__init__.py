"""Systems that make seats usable: the sandbox, and the real one."""
