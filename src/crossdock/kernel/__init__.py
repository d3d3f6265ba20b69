"""Money, time, ids and faults: what every other floor stands on."""
