"""The loop's second half: claim what is due, seal it, call, read the answer, and record what follows."""
