"""The engine of PERSE for Blender: portrait in, animatable avatar of 3D Gaussians out."""

import os

# Spinning BLAS and OpenMP pools halve the speed of the numba kernels on few cores; both read these once, at load.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
