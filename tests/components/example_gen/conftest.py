from support.interactions import folder, make_records, read

__all__ = ["folder", "make_records", "read"]
