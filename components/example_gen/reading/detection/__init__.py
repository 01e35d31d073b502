"""What a file is, by its first bytes and lines: the description that a reader then obeys.

Whatever the config says is taken as said; only what it leaves open is looked at here. DuckDB's
`sniff_csv` would need 60 MB of a second engine, and says nothing of comments, trailing delimiters or
what columns are asked for.
"""
