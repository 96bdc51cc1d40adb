"""The event log as readers see it: one port, whatever carries the events."""
