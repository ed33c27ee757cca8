"""From photographs to avatars: jobs, and the engine's installation."""
