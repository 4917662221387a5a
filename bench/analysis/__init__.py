"""What follows from a run."""
