"""Repeatable measurements of the hub as it ships: `python -m bench [names,...]` prints one JSON object a line."""
