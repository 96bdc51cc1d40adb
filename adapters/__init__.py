"""Everything that touches the world: entrances, databases, counterparties, and the one place that wires them."""
