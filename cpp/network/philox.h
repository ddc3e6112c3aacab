// Philox4x32-10: random numbers as a function of a counter and a key, so that they need no state.
// Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", section 4.3.
#pragma once

#include <cstdint>

namespace sulsul {
namespace SULSUL_ISA_NAMESPACE {
namespace {

constexpr int kPhiloxLanes = 16;

// kPhiloxLanes counters at once; word w of lane i is c[w][i]. The compiler makes vectors of the loops.
struct PhiloxBlock {
  std::uint32_t c[4][kPhiloxLanes];
};

inline __attribute__((always_inline)) void philox(PhiloxBlock& block, std::uint32_t key0,
                                                  std::uint32_t key1) {
  std::uint32_t (&c)[4][kPhiloxLanes] = block.c;
  for (int round = 0; round < 10; ++round, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
    for (int i = 0; i < kPhiloxLanes; ++i) {
      const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * c[0][i];
      const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * c[2][i];
      const auto high0 = static_cast<std::uint32_t>(p0 >> 32), high1 = static_cast<std::uint32_t>(p1 >> 32);
      const std::uint32_t c1 = c[1][i], c3 = c[3][i];
      c[0][i] = high1 ^ c1 ^ key0;
      c[1][i] = static_cast<std::uint32_t>(p1);
      c[2][i] = high0 ^ c3 ^ key1;
      c[3][i] = static_cast<std::uint32_t>(p0);
    }
  }
}

}  // namespace
}  // namespace SULSUL_ISA_NAMESPACE
}  // namespace sulsul
