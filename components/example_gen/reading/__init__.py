"""Files of any layout -> typed rows, each with its place; bad ones set aside."""
