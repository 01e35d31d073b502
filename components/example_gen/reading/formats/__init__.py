"""A reader per format of file: columns of cells by their meaning, each row with its line."""
