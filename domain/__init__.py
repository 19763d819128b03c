"""What smsledger knows: facts, rules and money, in the standard library only."""
