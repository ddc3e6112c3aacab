// Matrix products for float and double, row-major, with strides in elements.
//
// Every element of a result is accumulated in an order that depends on nothing but the depth K (and, for
// matmul_tn, on the shape): not on the number of rows, on where its row stands, on the other rows, nor on the
// number of threads. So a prediction is the same to the bit in any batch, and training on any number of
// threads. A library's sgemm promises neither.
#pragma once

#include <cstdint>

#include "matmul/left_factor.h"
#include "runtime/workspace.h"

namespace sulsul {

// How float products are computed on a processor with AMX. double, and processors without AMX, ignore it.
enum class Precision {
  float32,  // each factor split into two bfloat16 halves, three products: relative error about 3e-6
  bf16      // factors rounded to bfloat16, one product: relative error about 4e-3
};

template <class T>
struct MatmulKernels;

// The right-hand factor B(K, N), rearranged for the instruction set active at the time; reusable, and safe to
// read from many threads.
template <class T>
class PackedMatrix {
 public:
  // `transposed`: b holds the rows of B^T, i.e. b is (N, K). Reuses its memory when packed again.
  void pack(std::int64_t k, std::int64_t n, const T* b, std::int64_t b_stride, bool transposed,
            Precision precision = Precision::float32);

  std::int64_t k() const { return k_; }
  std::int64_t n() const { return n_; }
  std::size_t size_bytes() const { return buffer_.size_bytes(); }
  const void* data() const { return buffer_.data(); }
  const MatmulKernels<T>* kernels() const { return kernels_; }

 private:
  std::int64_t k_ = 0;
  std::int64_t n_ = 0;
  const MatmulKernels<T>* kernels_ = nullptr;
  AlignedBuffer buffer_;
};

// C(M, N) = A(M, K) B + bias, or C += A B + bias when `accumulate`. bias: N elements or nullptr.
// On the calling thread alone: for a chunk of rows inside a parallel task. With AMX the tile registers are
// configured and released inside.
template <class T>
void matmul_serial(std::int64_t m, const T* a, std::int64_t a_stride, const PackedMatrix<T>& b, const T* bias,
                   bool accumulate, T* c, std::int64_t c_stride);

// The same over all threads.
template <class T>
void matmul(std::int64_t m, const T* a, std::int64_t a_stride, const PackedMatrix<T>& b, const T* bias,
            bool accumulate, T* c, std::int64_t c_stride);

// C(M, N) = or += A^T B for A(K, M), B(K, N): the gradient of a weight, summed over K tokens.
// On the calling thread alone; summed over K in order.
template <class T>
void matmul_tn_serial(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_stride,
                      const T* b, std::int64_t b_stride, bool accumulate, T* c, std::int64_t c_stride,
                      Precision precision = Precision::float32);

// The same for several left factors, each with its own C: the gradients of a kernel and a recurrent kernel
// from those of the gates. Equal to the bit to one call for each; the right factor is converted once.
template <class T>
void matmul_tn_serial(const LeftFactor<T>* factors, int n_factors, std::int64_t n, std::int64_t k, const T* b,
                      std::int64_t b_stride, bool accumulate, Precision precision = Precision::float32);

// The same over all threads. K is cut into a number of parts that depends on the shape only; their sums are
// added in order.
template <class T>
void matmul_tn(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_stride, const T* b,
               std::int64_t b_stride, bool accumulate, T* c, std::int64_t c_stride,
               Precision precision = Precision::float32);

}  // namespace sulsul
