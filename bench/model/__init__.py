"""What can be run: cases, operations, implementations, and the comparisons between them."""
