#include "documents/document_vectors.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>
#include <vector>

#include "documents/cosine_kernels.h"
#include "network/prefetch.h"
#include "runtime/thread_pool.h"

namespace sulsul {
namespace {

// splitmix64 (Steele, Lea & Flood 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t bits() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // From 0 to n - 1, n below 2^32.
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>(((bits() >> 32) * static_cast<std::uint64_t>(n)) >> 32);
  }

 private:
  std::uint64_t state_;
};

struct Document {
  float* vector;
  float squares;
};

// What one thread works with.
struct Work {
  explicit Work(std::int64_t size) : change(static_cast<std::size_t>(size), 0.0f) {}

  std::vector<std::int32_t> ids;
  std::vector<float> change;
  double loss = 0;
  std::int64_t n_read = 0;
};

// Reads the n-grams of `work` in a new order. `noise` is one block of `noise_size`.
void read_ngrams(Document& document, const Vectors& ngrams, const std::int32_t* noise,
                 std::int64_t noise_size, const CosineObjective& objective, Random& random, Work& work) {
  const CosineKernels& kernels = cosine_kernels();
  const std::int64_t size = ngrams.size;
  std::vector<std::int32_t>& ids = work.ids;
  for (std::size_t i = ids.size(); i > 1; --i) {
    std::swap(ids[i - 1], ids[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(i)))]);
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i + 1 < ids.size()) prefetch_row<true>(ngrams.rows + ids[i + 1] * size, size);
    float by_itself = 0;
    for (std::int64_t j = 0; j <= objective.negatives; ++j) {
      const bool present = j == 0;
      const std::int64_t id = present ? ids[i] : noise[random.below(noise_size)];
      float* ngram = ngrams.rows + id * size;
      float& squares = ngrams.squares[id];
      const float cosine = kernels.dot(size, document.vector, ngram) / std::sqrt(document.squares * squares);
      const float along = objective.strength * (present ? cosine : -cosine);
      const float missed = 1.0f / (1.0f + std::exp(along));
      const float weight = present ? 1.0f : objective.negative_weight;
      work.loss += static_cast<double>(-weight * std::log(std::max(1.0f - missed, 1e-9f)));
      const float step = (present ? missed : -missed) * weight * objective.strength * objective.rate;
      const float across = step / std::sqrt(document.squares * squares);
      by_itself += step * cosine / document.squares;
      squares = kernels.pull(size, document.vector, ngram, work.change.data(), across, across,
                             step * cosine / squares);
    }
    document.squares = kernels.apply(size, document.vector, 1.0f - by_itself, work.change.data());
  }
  work.n_read += static_cast<std::int64_t>(ids.size());
}

}  // namespace

double learn_document_vectors(const Vectors& documents, const Vectors& ngrams, const DocumentNgrams& read,
                              const Noise& noise, const CosineObjective& objective, const std::int64_t* rows,
                              std::int64_t n_rows, std::uint64_t seed) {
  const std::int64_t n_groups = noise.n_blocks;
  std::vector<Work> works(static_cast<std::size_t>(n_groups), Work(ngrams.size));
  for (std::int64_t round = 0; round < n_groups; ++round) {
    parallel_for(static_cast<int>(n_groups), [&](int group) {
      Work& work = works[static_cast<std::size_t>(group)];
      const std::int64_t block = (group + round) % n_groups;
      const std::int32_t* drawn = noise.ids + block * noise.block_size;
      for (std::int64_t i = group * n_rows / n_groups; i < (group + 1) * n_rows / n_groups; ++i) {
        const std::int64_t row = rows[i];
        work.ids.clear();
        for (std::int64_t k = read.offsets[row]; k < read.offsets[row + 1]; ++k) {
          if (read.ids[k] % n_groups == block) work.ids.push_back(read.ids[k]);
        }
        Document document{documents.rows + row * documents.size, documents.squares[row]};
        Random random(Random(seed + static_cast<std::uint64_t>(row * n_groups + block)).bits());
        read_ngrams(document, ngrams, drawn, noise.block_size, objective, random, work);
        documents.squares[row] = document.squares;
      }
    });
  }
  double loss = 0;
  std::int64_t n_read = 0;
  for (const Work& work : works) {
    loss += work.loss;
    n_read += work.n_read;
  }
  return n_read > 0 ? loss / static_cast<double>(n_read) : 0.0;
}

}  // namespace sulsul
