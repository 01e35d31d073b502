"""Item-item models and matrix factorisations by closed form or library."""
