"""Documents that customers keep."""
