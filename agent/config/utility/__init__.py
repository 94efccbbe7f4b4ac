"""What one utility wants of a statement: its profile, the file it stands in, its window."""
