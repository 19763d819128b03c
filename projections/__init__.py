"""Read models: folded from the log in pages, thrown away and rebuilt at will, never asked for decisions."""
