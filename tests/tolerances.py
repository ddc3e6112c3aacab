"""Every numerical tolerance of the suite, by dtype and quantity, with its reason.

A tolerance is never widened to make a test pass: a larger error is a finding.
"""

# Central differences in float64 with step 1e-6: rounding leaves about eps/step = 2e-10, the cubic term about 1e-12.
FINITE_DIFFERENCE_STEP = 1e-6
FINITE_DIFFERENCE = 1e-8

# Two float64 computations of the same sums in another order, values of order 1, at most some hundred terms.
FLOAT64_REORDERED = 1e-12
