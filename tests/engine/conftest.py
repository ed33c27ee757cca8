"""What every test of the engine shares."""

from hypothesis import settings

settings.register_profile("engine", deadline=None)  # the first example compiles kernels; no test asserts a time
settings.load_profile("engine")
