// What CuPy's complex numbers take from Thrust, whose own file brings all of CUDA's headers along.
#pragma once
#define THRUST_NAMESPACE_BEGIN namespace thrust {
#define THRUST_NAMESPACE_END }
