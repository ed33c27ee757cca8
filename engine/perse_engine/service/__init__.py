"""The long-running process Blender talks to, and the jobs that build avatars."""
