"""What an exported model carries beside its graph."""
