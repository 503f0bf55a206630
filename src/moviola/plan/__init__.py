"""What fits this machine, and why: from a model's card, a job's size and the device to a plan."""
