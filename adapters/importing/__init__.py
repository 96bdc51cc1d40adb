"""Accounts and subscriptions that come from another system as CSV files."""
