"""What all families share that remove something: the mask, windows, memory, and putting it back."""
