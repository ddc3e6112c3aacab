"""Every numerical tolerance of the suite, by dtype and quantity, with its reason.

A tolerance is never widened to make a test pass: a larger error is a finding.
"""

# Central differences in float64 with step 1e-6: rounding leaves about eps/step = 2e-10, the cubic term about 1e-12.
FINITE_DIFFERENCE_STEP = 1e-6
FINITE_DIFFERENCE = 1e-8

# Two float64 computations of the same sums in another order, values of order 1, at most some hundred terms.
FLOAT64_REORDERED = 1e-12

# The native layer against the float64 reference, largest error relative to the largest value (at least 1). About 30
# steps of sums of at most some hundred terms of order 1, each rounded to 6e-8, and activations good to 3e-7.
NATIVE_FLOAT32 = 3e-6
# float32 products on AMX: each factor is two bfloat16 halves, 16 bits together, so a product is good to 1.1e-5.
NATIVE_FLOAT32_SPLIT = 5e-5
NATIVE_FLOAT64 = 2e-14
# Factors of 8 bits: each product is good to 4e-3 (2^-8), and errors add up over a few steps.
NATIVE_BF16 = 4e-2

# Activations over [-20, 20], absolute; float: reciprocal and polynomial, see cpp/simd/activations.h.
LOGISTIC_FLOAT32 = 1.5e-7
TANH_FLOAT32 = 3e-7
ACTIVATION_FLOAT64 = 1e-15

# Matrix products, relative to the sum of the magnitudes of the products, |A|·|B|. Chains of at most some hundred
# terms (float: 6e-8 each, of random sign).
MATMUL_FLOAT32 = 2e-6
MATMUL_FLOAT64 = 4e-15
# A factor is hi + lo with |lo| <= 2^-8 |x|, and lo is good to 2^-17 |x|; lo·lo is left out: 2^-16 + 2·2^-17.
MATMUL_FLOAT32_SPLIT = 2**-15
# Each factor rounded to 8 bits: 2·2^-8, and their product.
MATMUL_FLOAT32_BF16 = 2**-6.9
# The same split, largest error over largest result, where at least 64 products of random sign are summed.
MATMUL_SPLIT_TYPICAL = 1e-5

# A whole native training step against torch, largest error over all gradients relative to the largest gradient: both
# round to float32, in other orders.
NATIVE_STEP_GRADIENT = 1e-5
NATIVE_STEP_GRADIENT_SPLIT = 5e-5
# Losses of 50 steps: rounding errors of the first steps grow through the later ones.
NATIVE_STEP_TRAJECTORY = 1e-4

# Central differences of a whole float64 network: losses of order 1 are rounded to 1e-16, divided by twice the step.
NATIVE_NETWORK_FINITE_DIFFERENCE = 1e-8

# Losses and weights of a dozen steps of two or three workers against one process: the sums of a gradient are taken in
# another order (1e-7 of the largest), and Adam's first steps turn a small gradient's error into one of the step's size.
PARALLEL_TRAJECTORY = 1e-4
