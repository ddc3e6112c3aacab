// Document vectors, as seen from sulsul.kernels.native, which describes the arguments.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "documents/cosine_kernels.h"
#include "documents/document_vectors.h"

namespace nb = nanobind;

namespace {

template <class T>
using Row = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Matrix = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void require(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

// A matrix of vectors and the sum of squares of each.
sulsul::Vectors vectors_of(const Matrix<float>& rows, const Row<float>& squares) {
  require(rows.shape(1) > 0 && rows.shape(1) % sulsul::kVectorBlock == 0,
          "the elements of a vector must be a multiple of 16");
  require(squares.shape(0) == rows.shape(0), "one sum of squares for each vector");
  return {rows.data(), squares.data(), static_cast<std::int64_t>(rows.shape(1))};
}

sulsul::DocumentNgrams ngrams_of(const Row<const std::int32_t>& ids, const Row<const std::int64_t>& offsets,
                                 std::size_t n_documents, std::size_t n_ngrams) {
  const std::size_t n = offsets.shape(0);
  require(n == n_documents + 1 && offsets.data()[0] == 0, "offsets: 0, then where each document ends");
  for (std::size_t i = 1; i < n; ++i)
    require(offsets.data()[i] >= offsets.data()[i - 1], "offsets must not fall");
  require(offsets.data()[n - 1] == static_cast<std::int64_t>(ids.shape(0)), "offsets must end with the ids");
  for (std::size_t i = 0; i < ids.shape(0); ++i) {
    require(ids.data()[i] >= 0 && static_cast<std::size_t>(ids.data()[i]) < n_ngrams,
            "an n-gram without a vector");
  }
  return {ids.data(), offsets.data()};
}

sulsul::Noise noise_of(const Matrix<const std::int32_t>& ids, std::size_t n_ngrams) {
  const std::size_t n_blocks = ids.shape(0), size = ids.shape(1);
  require(n_blocks > 0 && size > 0 && ids.size() < (std::size_t{1} << 32), "noise: from one to 2^32 n-grams");
  for (std::size_t block = 0; block < n_blocks; ++block) {
    for (std::size_t i = 0; i < size; ++i) {
      const auto id = static_cast<std::size_t>(ids.data()[block * size + i]);  // a negative one becomes large
      require(id < n_ngrams && id % n_blocks == block,
              "noise: block b holds n-grams that are b modulo the blocks");
    }
  }
  return {ids.data(), static_cast<std::int64_t>(n_blocks), static_cast<std::int64_t>(size)};
}

// The arrays are checked once, not at every pass.
class DocumentReader {
 public:
  DocumentReader(Matrix<float> ngrams, Row<float> ngram_squares, Matrix<const std::int32_t> noise,
                 float strength, std::int64_t negatives, float negative_weight)
      : kept_(nb::make_tuple(ngrams, ngram_squares, noise)),
        ngrams_(vectors_of(ngrams, ngram_squares)),
        n_ngrams_(ngrams.shape(0)),
        noise_(noise_of(noise, n_ngrams_)),
        objective_{strength, 0.0f, negatives, negative_weight} {
    require(negatives >= 0, "negatives must not be below 0");
  }

  void bind(Row<const std::int32_t> ids, Row<const std::int64_t> offsets, Matrix<float> documents,
            Row<float> squares) {
    documents_ = vectors_of(documents, squares);
    require(documents_.size == ngrams_.size, "documents and n-grams differ in size");
    n_documents_ = documents.shape(0);
    read_ = ngrams_of(ids, offsets, n_documents_, n_ngrams_);
    bound_ = nb::make_tuple(ids, offsets, documents, squares);
  }

  double learn(Row<const std::int64_t> rows, float rate, std::uint64_t seed) {
    std::vector<bool> seen(n_documents_);
    for (std::size_t i = 0; i < rows.shape(0); ++i) {
      const std::int64_t row = rows.data()[i];
      require(row >= 0 && static_cast<std::size_t>(row) < n_documents_, "a row that is no document");
      require(!seen[static_cast<std::size_t>(row)], "a document stands twice among the rows");
      seen[static_cast<std::size_t>(row)] = true;
    }
    sulsul::CosineObjective objective = objective_;
    objective.rate = rate;
    const nb::gil_scoped_release release;
    return sulsul::learn_document_vectors(documents_, ngrams_, read_, noise_, objective, rows.data(),
                                          static_cast<std::int64_t>(rows.shape(0)), seed);
  }

 private:
  nb::object kept_, bound_;
  sulsul::Vectors ngrams_, documents_;
  std::size_t n_ngrams_, n_documents_ = 0;
  sulsul::DocumentNgrams read_;
  sulsul::Noise noise_;
  sulsul::CosineObjective objective_;
};

}  // namespace

void bind_documents(nb::module_& m) {
  nb::class_<DocumentReader>(m, "DocumentReader",
                             "Learns vectors of documents that tell which n-grams stand in them.")
      .def(nb::init<Matrix<float>, Row<float>, Matrix<const std::int32_t>, float, std::int64_t, float>(),
           nb::arg("ngrams").noconvert(), nb::arg("ngram_squares").noconvert(), nb::arg("noise").noconvert(),
           nb::kw_only(), nb::arg("strength"), nb::arg("negatives"), nb::arg("negative_weight"))
      .def("bind", &DocumentReader::bind, nb::arg("ids").noconvert(), nb::arg("offsets").noconvert(),
           nb::arg("documents").noconvert(), nb::arg("squares").noconvert())
      .def("learn", &DocumentReader::learn, nb::arg("rows").noconvert(), nb::kw_only(), nb::arg("rate"),
           nb::arg("seed"));
}
