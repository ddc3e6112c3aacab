#include "recurrence/tasks.h"

#include <algorithm>

#include "runtime/thread_pool.h"

namespace sulsul {
namespace {

// Multiply-adds of a layer below which waking a second thread costs more than it brings; one gate's share of
// the element-wise work counts as so many.
constexpr std::int64_t kParallelWork = std::int64_t{1} << 20;
constexpr std::int64_t kGateWork = 32;
// A lane thinner than this cannot fill a block of rows, and every lane reads all recurrent weights.
constexpr std::int64_t kLaneSequences = 6;

}  // namespace

Sharing share_work(const Cell& cell, const PackedShape& batch, std::int64_t rows, std::int64_t input_size,
                   int directions) {
  const std::int64_t work = directions * rows * cell.columns() * (cell.units + input_size + kGateWork);
  const int threads = thread_count();
  if (threads == 1 || work < kParallelWork) return {1, false};
  const std::int64_t widest = std::max<std::int64_t>(1, batch.sequences / kLaneSequences);
  return {static_cast<int>(std::clamp<std::int64_t>(threads / directions, 1, widest)), true};
}

}  // namespace sulsul
