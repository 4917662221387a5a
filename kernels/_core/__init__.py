"""What every kernel stands on; it knows no model."""
