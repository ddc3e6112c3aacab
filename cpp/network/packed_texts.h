// Texts of a corpus as one packed batch: src/sulsul/batching/collate.py without the arrays in between.
#pragma once

#include <cstdint>
#include <vector>

#include "recurrence/layer.h"

namespace sulsul {

// Word type w is the sum of the embedding's rows part_ids[offsets[w] … offsets[w + 1]).
struct TypeTable {
  const std::int64_t* offsets = nullptr;  // (n_types + 1)
  const std::int32_t* part_ids = nullptr;
  std::int64_t n_types = 0;
  std::int64_t n_part_ids = 0;
};

// Text i is token_ids[offsets[i] … offsets[i + 1]).
struct TextTable {
  const std::int32_t* token_ids = nullptr;
  const std::int64_t* offsets = nullptr;  // (n_texts + 1)
  std::int64_t n_texts = 0;
  std::int64_t n_token_ids = 0;
  TypeTable types;  // what the token ids are, if they are no rows of an embedding
};

class PackedTexts {
 public:
  // Takes the texts at `rows`; equal lengths keep the order of `rows`. Throws std::out_of_range for a row
  // that does not exist, offsets that fall or lie outside the token ids, or an id outside [0,
  // vocabulary_size).
  void gather(const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows,
              std::int64_t vocabulary_size);

  // Texts whose token ids are word types. Ids are numbers of the batch's own types from then on, in the order
  // in which they come. Throws std::out_of_range, too, for a part id outside [0, vocabulary_size).
  void gather_types(const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows,
                    std::int64_t vocabulary_size);

  // Every text as a single timestep whose features are its token ids: token_ids() is then (n_rows, length),
  // text after text. Throws std::out_of_range, too, for a text that has not `length` tokens.
  void gather_features(const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows,
                       std::int64_t length);

  PackedShape shape() const { return {batch_sizes_.data(), timesteps(), sequences()}; }
  std::int64_t timesteps() const { return static_cast<std::int64_t>(batch_sizes_.size()); }
  std::int64_t sequences() const { return static_cast<std::int64_t>(order_.size()); }
  std::int64_t nonempty() const { return batch_sizes_.empty() ? 0 : batch_sizes_[0]; }
  std::int64_t rows() const { return offsets_.back(); }

  std::int64_t batch_size(std::int64_t t) const { return batch_sizes_[t]; }
  std::int64_t offset(std::int64_t t) const { return offsets_[t]; }  // rows before timestep t
  const std::int64_t* offsets() const { return offsets_.data(); }
  std::int64_t length(std::int64_t k) const { return lengths_[k]; }  // of packed sequence k, falling
  std::int64_t position(std::int64_t k) const { return order_[k]; }  // of packed sequence k among `rows`
  const std::int32_t* tokens(std::int64_t k) const {
    return texts_.token_ids + starts_[k];
  }  // length(k) of them

  // The batch's own types: how many, and the parts of each.
  std::int64_t n_types() const { return static_cast<std::int64_t>(types_.size()); }
  std::int64_t n_parts(std::int64_t i) const {
    return texts_.types.offsets[types_[i] + 1] - texts_.types.offsets[types_[i]];
  }
  const std::int32_t* parts(std::int64_t i) const {
    return texts_.types.part_ids + texts_.types.offsets[types_[i]];
  }

  // All tokens in packed order (rows()), arranged by the first call.
  const std::int64_t* token_ids() const;

 private:
  void sort_by_length(const TextTable& texts, const std::int64_t* rows, std::int64_t n_rows);
  void check_ids(const char* where, std::int64_t n_ids) const;
  void number_types();
  void check_types(std::int64_t vocabulary_size) const;
  void pack_block(std::int64_t first) const;

  TextTable texts_;
  std::vector<std::int64_t> batch_sizes_, offsets_{0}, lengths_, order_, starts_, places_;
  std::vector<std::int32_t> types_, type_numbers_, numbers_;  // type_numbers_: -1 between the calls
  mutable std::vector<std::int64_t> token_ids_;
  mutable bool packed_ = false;
};

}  // namespace sulsul
