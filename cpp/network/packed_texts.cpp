#include "network/packed_texts.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "network/row_kernels.h"

namespace sulsul {
namespace {

// The number of tokens of a text that exists.
std::int64_t checked_length(const TextTable& texts, std::int64_t row) {
  if (row < 0 || row >= texts.n_texts) {
    throw std::out_of_range("row " + std::to_string(row) + " is not one of the " +
                            std::to_string(texts.n_texts) + " texts");
  }
  const std::int64_t start = texts.offsets[row], end = texts.offsets[row + 1];
  if (start < 0 || start > end || end > texts.n_token_ids) {
    throw std::out_of_range("text " + std::to_string(row) + " is not within the token ids");
  }
  return end - start;
}

}  // namespace

// A counting sort: the number of texts longer than t is wanted anyway.
void PackedTexts::sort_by_length(const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows) {
  std::int64_t longest = 0;
  for (std::int64_t i = 0; i < n_rows; ++i) {
    longest = std::max(longest, checked_length(texts, rows[i]));
  }
  places_.assign(static_cast<std::size_t>(longest) + 1, 0);
  for (std::int64_t i = 0; i < n_rows; ++i) ++places_[texts.offsets[rows[i] + 1] - texts.offsets[rows[i]]];
  // From how many have a length to how many are longer: the place of the first text of that length.
  batch_sizes_.resize(longest);
  std::int64_t longer = 0;
  for (std::int64_t length = longest; length >= 0; --length) {
    const std::int64_t n = places_[length];
    places_[length] = longer;
    if (length < longest) batch_sizes_[length] = longer;
    longer += n;
  }
  offsets_.resize(longest + 1);
  offsets_[0] = 0;
  for (std::int64_t t = 0; t < longest; ++t) offsets_[t + 1] = offsets_[t] + batch_sizes_[t];
  order_.resize(n_rows);
  lengths_.resize(n_rows);
  starts_.resize(n_rows);
  for (std::int64_t i = 0; i < n_rows; ++i) {
    const std::int64_t start = texts.offsets[rows[i]], length = texts.offsets[rows[i] + 1] - start;
    const std::int64_t place = places_[length]++;
    order_[place] = i;
    lengths_[place] = length;
    starts_[place] = start;
  }
}

void PackedTexts::gather(const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows,
                         std::int64_t vocabulary_size) {
  sort_by_length(texts, rows, n_rows);
  texts_ = texts;
  packed_ = false;
  check_ids("the vocabulary", vocabulary_size);
}

void PackedTexts::check_ids(const char* where, std::int64_t n_ids) const {
  std::uint32_t largest = 0;
  for (std::int64_t k = 0; k < nonempty(); ++k) {
    largest = std::max(largest, row_kernels<float>().largest_id(lengths_[k], tokens(k)));
  }
  if (static_cast<std::int64_t>(largest) >= n_ids && rows() > 0) {
    throw std::out_of_range("token id " + std::to_string(static_cast<std::int32_t>(largest)) +
                            " is outside " + where + " of " + std::to_string(n_ids));
  }
}

void PackedTexts::gather_types(const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows,
                               std::int64_t vocabulary_size) {
  sort_by_length(texts, rows, n_rows);
  texts_ = texts;
  packed_ = false;
  check_ids("the table of word types,", texts.types.n_types);
  number_types();
  check_types(vocabulary_size);
}

void PackedTexts::number_types() {
  const auto n_types = static_cast<std::size_t>(texts_.types.n_types), n = static_cast<std::size_t>(rows());
  types_.clear();
  types_.reserve(std::min(n, n_types));
  if (type_numbers_.size() < n_types) type_numbers_.resize(n_types, -1);
  numbers_.resize(n);
  std::int64_t start = 0;
  for (std::int64_t k = 0; k < nonempty(); ++k) {
    const std::int32_t* ids = tokens(k);
    for (std::int64_t i = 0; i < lengths_[k]; ++i) {
      std::int32_t& number = type_numbers_[ids[i]];
      if (number < 0) {
        number = static_cast<std::int32_t>(types_.size());
        types_.push_back(ids[i]);
      }
      numbers_[start + i] = number;
    }
    starts_[k] = start;
    start += lengths_[k];
  }
  for (const std::int32_t type : types_) type_numbers_[type] = -1;
  texts_.token_ids = numbers_.data();
}

void PackedTexts::check_types(std::int64_t vocabulary_size) const {
  const TypeTable& table = texts_.types;
  for (const std::int32_t type : types_) {
    const std::int64_t first = table.offsets[type], end = table.offsets[type + 1];
    if (first < 0 || first > end || end > table.n_part_ids) {
      throw std::out_of_range("word type " + std::to_string(type) + " is not within the part ids");
    }
    const std::uint32_t largest = row_kernels<float>().largest_id(end - first, table.part_ids + first);
    if (end > first && static_cast<std::int64_t>(largest) >= vocabulary_size) {
      throw std::out_of_range("part id " + std::to_string(static_cast<std::int32_t>(largest)) +
                              " is outside the vocabulary of " + std::to_string(vocabulary_size));
    }
  }
}

const std::int64_t* PackedTexts::token_ids() const {
  if (!packed_) {
    token_ids_.resize(static_cast<std::size_t>(rows()));
    for (std::int64_t first = 0; first < nonempty(); first += kIdSquare) pack_block(first);
    packed_ = true;
  }
  return token_ids_.data();
}

// Sequences from `first` on, at most kIdSquare of them: in squares as long as all have tokens, which takes
// half the time, then token by token.
void PackedTexts::pack_block(std::int64_t first) const {
  const std::int64_t n = std::min(kIdSquare, nonempty() - first);
  std::int64_t t = 0;
  while (n == kIdSquare && lengths_[first + n - 1] >= t + kIdSquare) {
    const std::int32_t* sources[kIdSquare];
    std::int64_t* rows[kIdSquare];
    for (std::int64_t i = 0; i < kIdSquare; ++i) {
      sources[i] = tokens(first + i) + t;
      rows[i] = token_ids_.data() + offsets_[t + i] + first;
    }
    row_kernels<float>().transpose_ids(sources, rows);
    t += kIdSquare;
  }
  for (std::int64_t k = first; k < first + n; ++k) {
    for (std::int64_t i = t; i < lengths_[k]; ++i) token_ids_[offsets_[i] + k] = tokens(k)[i];
  }
}

void PackedTexts::gather_features(const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows,
                                  std::int64_t length) {
  sort_by_length(texts, rows, n_rows);
  for (std::int64_t k = 0; k < n_rows; ++k) {
    if (lengths_[k] != length) {
      throw std::out_of_range("a text has " + std::to_string(lengths_[k]) + " tokens instead of " +
                              std::to_string(length));
    }
  }
  token_ids_.resize(static_cast<std::size_t>(n_rows * length));
  for (std::int64_t k = 0; k < n_rows; ++k) {
    std::copy(texts.token_ids + starts_[k], texts.token_ids + starts_[k] + length,
              token_ids_.data() + k * length);
  }
  batch_sizes_.assign(n_rows > 0 ? 1 : 0, n_rows);
  offsets_.assign(n_rows > 0 ? 2 : 1, 0);
  offsets_.back() = n_rows;
  std::fill(lengths_.begin(), lengths_.end(), 1);
  packed_ = true;
}

}  // namespace sulsul
