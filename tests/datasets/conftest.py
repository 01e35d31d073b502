from support.interactions import folder, read

__all__ = ["folder", "read"]
