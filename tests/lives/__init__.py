"""Orders lived through at honest targets, told to the hub in any order, and judged by an accountant of their own."""
