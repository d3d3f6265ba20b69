"""What befalls the machine: its clock, its disk, its files, and the hub's own versions."""
