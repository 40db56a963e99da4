"""Numba kernels for the ops whose NumPy reference is not fast enough."""
