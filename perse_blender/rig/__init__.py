"""What people pose: bones, drivers, gaze."""
