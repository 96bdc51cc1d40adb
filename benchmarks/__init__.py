"""Measures the product against something real in the same run, and breaks it on purpose; not part of the product."""
