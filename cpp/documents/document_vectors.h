// Vectors of n-grams, learned with one of every document that tells which n-grams stand in it, by cosine.
//
// A document d and one of its n-grams w are pulled together by the gradient of -log s(a cos(d, w)), s being
// the logistic function, and d and n-grams v drawn at random apart by that of -log s(-a cos(d, v)):
// distributed bag of n-grams (Li, Liu, Du, Zhang & Zhao 2016, "Learning document embeddings by predicting
// n-grams"; with the cosine Thongtan & Phienthrakul 2019, "Sentiment classification using document embeddings
// trained with cosine similarity"). A step turns a vector without shortening it, so that vectors grow and
// turn ever more slowly.
//
// Results depend on the instruction set, not on the number of threads.
#pragma once

#include <cstdint>

namespace sulsul {

// Rows of `size` floats, a multiple of kVectorBlock, and the sum of squares of each.
struct Vectors {
  float* rows = nullptr;
  float* squares = nullptr;
  std::int64_t size = 0;
};

// N-grams of all documents one after the other, in any order; document i has offsets[i] … offsets[i + 1].
struct DocumentNgrams {
  const std::int32_t* ids = nullptr;
  const std::int64_t* offsets = nullptr;
};

// What is drawn at random. Block b holds only n-grams whose id is b modulo n_blocks.
struct Noise {
  const std::int32_t* ids = nullptr;  // (n_blocks, block_size)
  std::int64_t n_blocks = 0;
  std::int64_t block_size = 0;
};

struct CosineObjective {
  float strength = 0;          // a
  float rate = 0;              // learning rate
  std::int64_t negatives = 0;  // drawn for each n-gram
  float negative_weight = 0;   // what each of them counts
};

// One pass over some documents, all different: changes their vectors and those of the n-grams. Returns the
// loss, the mean over all n-grams read.
//
// The documents are divided into as many groups as the noise has blocks. In every round each group reads the
// n-grams of another block, so that no two threads ever touch the same vector.
double learn_document_vectors(const Vectors& documents, const Vectors& ngrams, const DocumentNgrams& read,
                              const Noise& noise, const CosineObjective& objective, const std::int64_t* rows,
                              std::int64_t n_rows, std::uint64_t seed);

}  // namespace sulsul
