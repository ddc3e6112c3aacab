// Which instruction set the kernels use: detected once, forceable for tests.
#pragma once

namespace sulsul {

// In order: each level can run everything below it.
enum class Isa {
  scalar = 0,  // portable C++ (128-bit vectors on x86-64 and arm64)
  avx2 = 1,    // AVX2 + FMA
  avx512 = 2,  // AVX-512 F, BW, DQ, VL
  amx = 3      // avx512 + AVX512-BF16 + AMX tiles with bfloat16 products
};

// The best level this processor and operating system allow. For AMX this includes the permission to use the
// tile registers, which Linux grants per process on request.
Isa detected_isa();

// The level in use: the environment variable SULSUL_ISA (scalar, avx2, avx512, amx) if set, else
// detected_isa(). Throws std::runtime_error if the variable names an unknown level or one that this machine
// lacks.
Isa active_isa();

// Uses `isa` from now on, in every thread. Throws std::invalid_argument if this machine lacks it.
void force_isa(Isa isa);

const char* isa_name(Isa isa);

// Throws std::invalid_argument for an unknown name.
Isa isa_from_name(const char* name);

}  // namespace sulsul
