"""PERSE as a render engine: what a frame shows, and how it is rendered."""
