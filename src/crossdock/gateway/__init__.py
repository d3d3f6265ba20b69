"""The doors: where systems and partners come in."""
