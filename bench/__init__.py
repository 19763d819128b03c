"""Programs that print figures; each runs alone by `./run bench NAME`."""
