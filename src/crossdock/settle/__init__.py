"""The loop's first half: translate what came in, settle what is known anew into promises, save the difference."""
