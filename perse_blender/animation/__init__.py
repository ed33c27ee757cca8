"""Keys, poses and captured motion."""
