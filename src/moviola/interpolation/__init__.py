"""What all interpolators share: which pictures are due, in what windows, and networks that make them."""
