"""Scheduled reads: what a source lists is compared with what is held; differences enter like any message."""
