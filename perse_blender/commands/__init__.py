"""`blender --command perse …`, and shots for farms."""
