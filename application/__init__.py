"""Use cases, one a file: a command, what it refuses, and the one save it makes."""
