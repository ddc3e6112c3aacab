// The different ones among ids, in the order in which they come.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace sulsul {

class DistinctIds {
 public:
  // Ids are in [0, end).
  explicit DistinctIds(std::int64_t end) : seen_(static_cast<std::size_t>(end)) {}

  template <class Id>
  void add(std::int64_t n, const Id* ids) {
    for (std::int64_t i = 0; i < n; ++i) {
      if (seen_[ids[i]]) continue;
      seen_[ids[i]] = true;
      ids_.push_back(ids[i]);
    }
  }

  std::vector<std::int64_t> take() { return std::move(ids_); }

 private:
  std::vector<bool> seen_;
  std::vector<std::int64_t> ids_;
};

}  // namespace sulsul
