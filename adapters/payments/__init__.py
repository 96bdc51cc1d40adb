"""Payment gateways: the sandbox, and the real one."""
