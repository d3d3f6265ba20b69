"""What can be seen of a running hub: checkpoints, logs."""
