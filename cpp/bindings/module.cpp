#include <nanobind/nanobind.h>

NB_MODULE(_native, m) { m.doc() = "Recurrence on the CPU."; }
