"""Figures for an operator's Prometheus: what was counted in this process, and how far everything is when it asks."""
