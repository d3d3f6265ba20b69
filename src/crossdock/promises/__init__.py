"""What an entity makes us owe: one file per kind of promise. Pure: facts, policy and the time in, obligations out."""
