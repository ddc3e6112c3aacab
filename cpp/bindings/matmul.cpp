// The matrix products, as thin functions of arrays for tests and benchmarks.
#include "matmul/matmul.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "runtime/thread_pool.h"

namespace nb = nanobind;

namespace {

template <class T>
using Input = nb::ndarray<const T, nb::ndim<2>, nb::device::cpu>;
template <class T>
using Row = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Output = nb::ndarray<T, nb::ndim<2>, nb::device::cpu>;

sulsul::Precision precision_from_name(const std::string& name) {
  if (name == "float32") return sulsul::Precision::float32;
  if (name == "bf16") return sulsul::Precision::bf16;
  throw std::invalid_argument("precision is '" + name + "': must be float32 or bf16");
}

// Distance between rows; the elements of a row must be neighbours.
template <class Array>
std::int64_t row_stride(const Array& array, const char* name) {
  if (array.stride(1) != 1 && array.shape(1) > 1 && array.size() > 0) {
    throw std::invalid_argument(std::string(name) + ": the elements of a row must be contiguous");
  }
  return array.stride(0);
}

void require_shape(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

// out (=|+=) op(a) op(b) + bias
template <class T>
void matmul(Input<T> a, Input<T> b, Output<T> out, std::optional<Row<T>> bias, bool transpose_a,
            bool transpose_b, bool accumulate, const std::string& precision_name) {
  const auto precision = precision_from_name(precision_name);
  const std::int64_t m = a.shape(transpose_a), k = a.shape(!transpose_a), n = b.shape(!transpose_b);
  const std::int64_t a_stride = row_stride(a, "a"), b_stride = row_stride(b, "b"),
                     c_stride = row_stride(out, "out");
  require_shape(static_cast<std::int64_t>(b.shape(transpose_b)) == k,
                "a and b differ in the summed dimension");
  require_shape(static_cast<std::int64_t>(out.shape(0)) == m && static_cast<std::int64_t>(out.shape(1)) == n,
                "out has the wrong shape");
  require_shape(!bias || static_cast<std::int64_t>(bias->shape(0)) == n,
                "bias must have one element per column");
  require_shape(!transpose_a || (!transpose_b && !bias),
                "transpose_a goes with neither transpose_b nor bias");
  const T* bias_data = bias ? bias->data() : nullptr;
  const nb::gil_scoped_release release;
  if (transpose_a) {
    sulsul::matmul_tn(m, n, k, a.data(), a_stride, b.data(), b_stride, accumulate, out.data(), c_stride,
                      precision);
  } else {
    sulsul::PackedMatrix<T> packed;
    packed.pack(k, n, b.data(), b_stride, transpose_b, precision);
    sulsul::matmul(m, a.data(), a_stride, packed, bias_data, accumulate, out.data(), c_stride);
  }
}

// out0, out1 (=|+=) a0^T b, a1^T b
template <class T>
void matmul_tn_pair(Input<T> a0, Input<T> a1, Input<T> b, Output<T> out0, Output<T> out1, bool accumulate,
                    const std::string& precision_name) {
  const auto precision = precision_from_name(precision_name);
  const std::int64_t k = b.shape(0), n = b.shape(1), b_stride = row_stride(b, "b");
  const auto factor = [&](const Input<T>& a, const Output<T>& out) {
    require_shape(static_cast<std::int64_t>(a.shape(0)) == k, "a and b differ in the summed dimension");
    require_shape(out.shape(0) == a.shape(1) && static_cast<std::int64_t>(out.shape(1)) == n,
                  "out has the wrong shape");
    return sulsul::LeftFactor<T>{static_cast<std::int64_t>(a.shape(1)), a.data(), row_stride(a, "a"),
                                 out.data(), row_stride(out, "out")};
  };
  const sulsul::LeftFactor<T> factors[2] = {factor(a0, out0), factor(a1, out1)};
  const nb::gil_scoped_release release;
  const sulsul::FlushDenormals flush;
  sulsul::matmul_tn_serial(factors, 2, n, k, b.data(), b_stride, accumulate, precision);
}

template <class T>
void bind_matmul_of(nb::module_& m) {
  m.def("matmul", &matmul<T>, nb::arg("a").noconvert(), nb::arg("b").noconvert(), nb::arg("out").noconvert(),
        nb::arg("bias").noconvert() = nb::none(), nb::kw_only(), nb::arg("transpose_a") = false,
        nb::arg("transpose_b") = false, nb::arg("accumulate") = false, nb::arg("precision") = "float32",
        "out = op(a) @ op(b) + bias, or += with accumulate. Rows may be strided, their elements not.");
  m.def("matmul_tn_pair", &matmul_tn_pair<T>, nb::arg("a0").noconvert(), nb::arg("a1").noconvert(),
        nb::arg("b").noconvert(), nb::arg("out0").noconvert(), nb::arg("out1").noconvert(), nb::kw_only(),
        nb::arg("accumulate") = false, nb::arg("precision") = "float32",
        "out0, out1 = a0.T @ b, a1.T @ b on one thread, or += with accumulate.");
}

}  // namespace

void bind_matmul(nb::module_& m) {
  bind_matmul_of<float>(m);
  bind_matmul_of<double>(m);
}
