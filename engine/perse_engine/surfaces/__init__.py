"""Triangles + camera -> image, and back."""
