"""The sample accounts of the embedded default."""
