from support.interactions import read

__all__ = ["read"]
