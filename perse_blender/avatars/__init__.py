"""Avatars in a .blend: their files, their objects, their sliders."""
