// Rows of a table much larger than the caches, fetched before their turn.
#pragma once

#include <cstdint>

namespace sulsul {

// A row of `size` values that will soon be read or, `written`, changed.
template <bool written, class T>
inline void prefetch_row(const T* row, std::int64_t size) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
  for (std::int64_t i = 0; i < size; i += kLine) __builtin_prefetch(row + i, written ? 1 : 0, 2);
}

}  // namespace sulsul
