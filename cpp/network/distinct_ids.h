// The different ones among ids, rising: rows of a large table are walked through in the order of their
// addresses, which costs a fraction of the page look-ups.
#pragma once

#include <cstdint>
#include <vector>

namespace sulsul {

class DistinctIds {
 public:
  // Ids are in [0, end).
  explicit DistinctIds(std::int64_t end) : bits_(static_cast<std::size_t>((end + 63) / 64)) {}

  template <class Id>
  void add(std::int64_t n, const Id* ids) {
    for (std::int64_t i = 0; i < n; ++i) bits_[ids[i] >> 6] |= std::uint64_t{1} << (ids[i] & 63);
  }

  std::vector<std::int64_t> rising() const {
    std::vector<std::int64_t> ids;
    for (std::size_t word = 0; word < bits_.size(); ++word) {
      for (std::uint64_t rest = bits_[word]; rest != 0; rest &= rest - 1) {
        ids.push_back(static_cast<std::int64_t>(word * 64) + __builtin_ctzll(rest));
      }
    }
    return ids;
  }

 private:
  std::vector<std::uint64_t> bits_;
};

}  // namespace sulsul
