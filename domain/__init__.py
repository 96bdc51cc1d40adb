"""What is true of accounts, subscriptions, quotes and service orders: pure decisions, no clock, no input or output."""
