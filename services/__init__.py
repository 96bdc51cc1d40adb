"""Commands: load, decide, append; and what they need of the world."""
