"""Options and profiles, the list of cells, and their order."""
