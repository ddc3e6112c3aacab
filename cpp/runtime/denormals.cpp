#include "runtime/thread_pool.h"

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace sulsul {
namespace {

#if defined(__x86_64__)
constexpr unsigned long long kFlush = 0x8040;  // FTZ (bit 15), DAZ (bit 6)
unsigned long long read_mode() { return _mm_getcsr(); }
void write_mode(unsigned long long mode) { _mm_setcsr(static_cast<unsigned>(mode)); }
#elif defined(__aarch64__)
constexpr unsigned long long kFlush = 1ull << 24;  // FPCR.FZ
unsigned long long read_mode() {
  unsigned long long mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
void write_mode(unsigned long long mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
constexpr unsigned long long kFlush = 0;
unsigned long long read_mode() { return 0; }
void write_mode(unsigned long long) {}
#endif

}  // namespace

FlushDenormals::FlushDenormals() : saved_(read_mode()) {
  if ((saved_ & kFlush) != kFlush) write_mode(saved_ | kFlush);
}

FlushDenormals::~FlushDenormals() {
  // Only the two bits go back: exception flags raised meanwhile stay, as after any other arithmetic.
  const unsigned long long mode = read_mode();
  const unsigned long long restored = (mode & ~kFlush) | (saved_ & kFlush);
  if (restored != mode) write_mode(restored);
}

bool denormals_are_flushed() { return (read_mode() & kFlush) == kFlush; }

}  // namespace sulsul
