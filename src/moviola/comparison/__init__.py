"""Two videos side by side, or one over the other with a divider between them."""
