"""Read models as pure functions: rows and an event in, changed rows out."""
