"""A wire between the hub and whatever it talks to, which fails as wires do."""
