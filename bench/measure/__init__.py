"""One cell, the gate of correctness, the processes."""
