// The tile registers of this thread, for files compiled for amx.
#pragma once

#include <immintrin.h>

namespace sulsul::amx {
namespace {

// While it lives, all eight tiles are 16 rows of 64 bytes. A new scope replaces the configuration and its end
// clears it, so scopes must not nest: whoever calls another kernel configures again afterwards. Released
// tiles also let the processor's core go to its deeper idle states.
class TileScope {
 public:
  inline __attribute__((always_inline)) TileScope() {
    struct alignas(64) {
      unsigned char palette = 1;
      unsigned char start_row = 0;
      unsigned char reserved[14] = {};
      unsigned short bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      unsigned char rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } const configuration;
    static_assert(sizeof configuration == 64);
    _tile_loadconfig(&configuration);
  }
  inline __attribute__((always_inline)) ~TileScope() { _tile_release(); }
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

}  // namespace
}  // namespace sulsul::amx
