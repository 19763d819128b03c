"""Everything that touches the world: the event store, the vault, the broker, carriers and the processes."""
