"""Making the engine's environment: a program of its own, which Blender starts and watches.

It runs in whatever Python Blender has, needs nothing but the standard library, and imports only what is in this folder.
"""
