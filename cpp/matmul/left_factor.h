// One of several left factors that share a right factor.
#pragma once

#include <cstdint>

namespace sulsul {

// C(m, n) = or += A(k, m)^T B(k, n)
template <class T>
struct LeftFactor {
  std::int64_t m;
  const T* a;
  std::int64_t a_stride;
  T* c;
  std::int64_t c_stride;
};

}  // namespace sulsul
