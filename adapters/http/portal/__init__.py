"""The Corporate Billing Portal: pages rendered here, complete without script, on the services that the API uses."""
