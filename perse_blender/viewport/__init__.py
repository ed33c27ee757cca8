"""Avatars in 3D viewports."""
