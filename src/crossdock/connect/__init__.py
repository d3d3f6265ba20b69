"""What a connector is: verbs, effect classes, receipts, and the kit that tests it from its declaration."""
