"""The console: pages for the people who keep an eye on the hub, decide its cases and answer for its money."""
