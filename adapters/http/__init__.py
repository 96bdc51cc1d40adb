"""The HTTP entrance: the JSON API, and the pages of the embedded default."""
