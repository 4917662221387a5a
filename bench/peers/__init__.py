"""What several families share of their peers."""
