"""What all hosted families share: the line to a provider, keys, prices, the order in which work is done."""
