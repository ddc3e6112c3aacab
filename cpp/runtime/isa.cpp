#include "runtime/isa.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace sulsul {
namespace {

constexpr const char* kNames[] = {"scalar", "avx2", "avx512", "amx"};

#if defined(__x86_64__)

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf) {
  Registers r;
  __get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx);
  return r;
}

// The register sets that the operating system saves on a context switch (XCR0).
unsigned long long enabled_state() {
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32) | low;
}

bool has(unsigned word, std::initializer_list<int> bits) {
  for (int bit : bits) {
    if (!((word >> bit) & 1u)) return false;
  }
  return true;
}

// The tile data (8 KB per thread) is saved only for processes that asked.
bool tiles_permitted() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

Isa detect() {
  const Registers basic = cpuid(1, 0);
  constexpr int kFma = 12, kOsxsave = 27, kAvx = 28;
  if (!has(basic.ecx, {kFma, kOsxsave, kAvx})) return Isa::scalar;
  const unsigned long long state = enabled_state();
  constexpr unsigned long long kYmm = 0x6, kZmm = 0xe0, kTile = 0x60000;
  const Registers extended = cpuid(7, 0);
  constexpr int kAvx2 = 5;
  if ((state & kYmm) != kYmm || !has(extended.ebx, {kAvx2})) return Isa::scalar;
  constexpr int kAvx512f = 16, kAvx512dq = 17, kAvx512bw = 30, kAvx512vl = 31;
  if ((state & kZmm) != kZmm || !has(extended.ebx, {kAvx512f, kAvx512dq, kAvx512bw, kAvx512vl}))
    return Isa::avx2;
  constexpr int kAmxBf16 = 22, kAmxTile = 24, kAvx512Bf16 = 5;
  const bool amx = (state & kTile) == kTile && has(extended.edx, {kAmxBf16, kAmxTile}) &&
                   has(cpuid(7, 1).eax, {kAvx512Bf16}) && tiles_permitted();
  return amx ? Isa::amx : Isa::avx512;
}

#else

Isa detect() { return Isa::scalar; }

#endif

Isa from_environment() {
  const char* wanted = std::getenv("SULSUL_ISA");
  if (wanted == nullptr || *wanted == '\0') return detected_isa();
  Isa isa;
  try {
    isa = isa_from_name(wanted);
  } catch (const std::invalid_argument& error) {
    throw std::runtime_error(std::string("environment variable SULSUL_ISA: ") + error.what());
  }
  if (isa > detected_isa()) {
    throw std::runtime_error(std::string("environment variable SULSUL_ISA is ") + wanted +
                             ", but this machine supports only up to " + isa_name(detected_isa()) +
                             "; unset it or choose a lower level");
  }
  return isa;
}

std::atomic<int>& current() {
  static std::atomic<int> isa{static_cast<int>(from_environment())};
  return isa;
}

}  // namespace

Isa detected_isa() {
  static const Isa isa = detect();
  return isa;
}

Isa active_isa() { return static_cast<Isa>(current().load(std::memory_order_relaxed)); }

void force_isa(Isa isa) {
  if (isa > detected_isa()) {
    throw std::invalid_argument(std::string("instruction set ") + isa_name(isa) +
                                " is not available: this machine supports only up to " +
                                isa_name(detected_isa()));
  }
  current().store(static_cast<int>(isa), std::memory_order_relaxed);
}

const char* isa_name(Isa isa) { return kNames[static_cast<int>(isa)]; }

Isa isa_from_name(const char* name) {
  for (int i = 0; i < 4; ++i) {
    if (std::strcmp(name, kNames[i]) == 0) return static_cast<Isa>(i);
  }
  throw std::invalid_argument(std::string("unknown instruction set '") + name +
                              "': must be scalar, avx2, avx512 or amx");
}

}  // namespace sulsul
