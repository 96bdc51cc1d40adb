"""Who calls: bearer tokens made into a Caller."""
