// The recurrent layer as two functions of arrays. Shapes are checked here: a wrong one is an error, not a
// crash.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>

#include <initializer_list>
#include <optional>
#include <stdexcept>
#include <string>

#include "recurrence/layer.h"

namespace nb = nanobind;

namespace {

using sulsul::kMaxDirections;
using Ids = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

[[noreturn]] void refuse(const std::string& message) { throw nb::value_error(message.c_str()); }

std::string shape_text(std::initializer_list<std::int64_t> shape) {
  std::string text = "(";
  for (std::int64_t n : shape) text += std::to_string(n) + ", ";
  return text.substr(0, text.size() - 2) + ")";
}

// Data of a C-contiguous array of T with the given shape.
template <class T>
T* data_of(nb::handle object, const std::string& name, std::initializer_list<std::int64_t> shape) {
  nb::ndarray<T, nb::c_contig, nb::device::cpu> array;
  if (!nb::try_cast(object, array, false)) {
    refuse(name + ": must be a C-contiguous " + (sizeof(T) == 4 ? "float32" : "float64") +
           " array in memory, as the other arrays are");
  }
  bool equal = array.ndim() == shape.size();
  std::size_t axis = 0;
  for (std::int64_t n : shape) equal = equal && static_cast<std::int64_t>(array.shape(axis++)) == n;
  if (!equal) refuse(name + ": the shape must be " + shape_text(shape));
  return array.data();
}

template <class T>
T* optional_data(nb::handle object, const std::string& name, std::initializer_list<std::int64_t> shape) {
  return object.is_none() ? nullptr : data_of<T>(object, name, shape);
}

sulsul::Cell parse_cell(const std::string& kind, const std::string& activation, bool reset_after) {
  sulsul::Cell cell;
  if (kind == "simple-rnn") {
    cell.kind = sulsul::CellKind::simple_rnn;
  } else if (kind == "gru") {
    cell.kind = sulsul::CellKind::gru;
  } else if (kind == "lstm") {
    cell.kind = sulsul::CellKind::lstm;
  } else {
    refuse("kind is '" + kind + "': must be simple-rnn, gru or lstm");
  }
  if (activation != "tanh" && activation != "relu")
    refuse("activation is '" + activation + "': must be tanh or relu");
  cell.relu = activation == "relu";
  if (cell.relu && cell.kind == sulsul::CellKind::gru) refuse("a gru has the activation tanh");
  cell.reset_after = reset_after;
  return cell;
}

sulsul::Precision parse_precision(const std::string& name) {
  if (name == "float32") return sulsul::Precision::float32;
  if (name == "bf16") return sulsul::Precision::bf16;
  refuse("precision is '" + name + "': must be float32 or bf16");
}

std::int64_t count_rows(const sulsul::PackedShape& batch) {
  std::int64_t rows = 0, limit = batch.sequences;
  for (std::int64_t t = 0; t < batch.timesteps; ++t) {
    const std::int64_t n = batch.batch_sizes[t];
    if (n < 1 || n > limit) {
      refuse("batch_sizes[" + std::to_string(t) + "] is " + std::to_string(n) +
             ": must be at least 1, at most the number of sequences, and not increase");
    }
    limit = n;
    rows += n;
  }
  return rows;
}

// What the two functions have in common, checked.
template <class T>
struct Problem {
  sulsul::Cell cell;
  sulsul::PackedShape batch;
  sulsul::LayerInput<T> input;
  std::int64_t rows = 0;
  int directions = 0;
  nb::sequence weights;
  sulsul::Precision precision = sulsul::Precision::float32;

  std::int64_t units() const { return cell.units; }
  sulsul::DirectionWeights<T> direction_weights(int d) const {
    const std::string where = "weights[" + std::to_string(d) + "]";
    const nb::object one = weights[d];
    const std::int64_t columns = cell.columns();
    sulsul::DirectionWeights<T> result;
    result.kernel = data_of<const T>(one[0], where + " kernel", {input.size, columns});
    result.recurrent_kernel = data_of<const T>(one[1], where + " recurrent_kernel", {units(), columns});
    result.bias = cell.bias_size() == columns ? data_of<const T>(one[2], where + " bias", {columns})
                                              : data_of<const T>(one[2], where + " bias", {2, columns});
    return result;
  }
};

template <class T>
void parse_tokens(const Ids& token_ids, nb::handle embedding, sulsul::LayerInput<T>* input) {
  input->token_ids = token_ids.data();
  if (!embedding.is_none()) {
    const auto table =
        nb::cast<nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>>(embedding, false);
    input->embedding = table.data();
    input->vocabulary_size = table.shape(0);
    input->size = table.shape(1);
  } else {
    input->vocabulary_size = input->size;
  }
  for (std::size_t i = 0; i < token_ids.shape(0); ++i) {
    if (input->token_ids[i] < 0 || input->token_ids[i] >= input->vocabulary_size) {
      const std::string message =
          "token_ids[" + std::to_string(i) + "] is " + std::to_string(input->token_ids[i]) +
          ": must be at least 0 and less than the vocabulary's " + std::to_string(input->vocabulary_size);
      throw nb::index_error(message.c_str());
    }
  }
}

template <class T>
Problem<T> parse_problem(const sulsul::Cell& cell, const Ids& batch_sizes, std::int64_t sequences,
                         nb::object rows, const std::optional<Ids>& token_ids, nb::object embedding,
                         nb::sequence weights, const std::string& precision) {
  Problem<T> problem;
  problem.cell = cell;
  problem.batch = {batch_sizes.data(), static_cast<std::int64_t>(batch_sizes.shape(0)), sequences};
  problem.rows = count_rows(problem.batch);
  problem.weights = weights;
  problem.directions = static_cast<int>(nb::len(weights));
  problem.precision = parse_precision(precision);
  if (problem.directions < 1 || problem.directions > kMaxDirections) refuse("weights: one or two directions");
  const auto kernel = nb::cast<nb::ndarray<const T, nb::ndim<2>, nb::device::cpu>>(weights[0][0], false);
  const auto recurrent = nb::cast<nb::ndarray<const T, nb::ndim<2>, nb::device::cpu>>(weights[0][1], false);
  problem.cell.units = recurrent.shape(0);
  problem.input.size = kernel.shape(0);
  if (rows.is_none() == !token_ids.has_value()) refuse("give either rows or token_ids");
  if (token_ids) {
    if (static_cast<std::int64_t>(token_ids->shape(0)) != problem.rows) {
      refuse("token_ids: the length must be the sum of batch_sizes, " + std::to_string(problem.rows));
    }
    parse_tokens(*token_ids, embedding, &problem.input);
  } else {
    problem.input.rows = data_of<const T>(rows, "rows", {problem.rows, problem.input.size});
    problem.input.stride = problem.input.size;
  }
  return problem;
}

// Kept by each thread so that a repeated call allocates nothing.
template <class T>
sulsul::LayerWorkspace<T>& workspace() {
  thread_local sulsul::LayerWorkspace<T> instance;
  return instance;
}

template <class T>
void forward(const Problem<T>& p, nb::sequence initial, nb::object hidden, nb::sequence final,
             nb::sequence saved) {
  sulsul::LayerForward<T> call;
  call.cell = p.cell;
  call.batch = p.batch;
  call.input = p.input;
  call.directions = p.directions;
  call.precision = p.precision;
  const std::int64_t H = p.units(), B = p.batch.sequences;
  call.hidden = optional_data<T>(hidden, "hidden", {p.rows, p.directions * H});
  call.hidden_stride = p.directions * H;
  for (int d = 0; d < p.directions; ++d) {
    sulsul::ForwardDirection<T>& direction = call.direction[d];
    direction.weights = p.direction_weights(d);
    direction.h0 = optional_data<const T>(initial[d][0], "h0", {B, H});
    direction.c0 = optional_data<const T>(initial[d][1], "c0", {B, H});
    direction.h_n = optional_data<T>(final[d][0], "h_n", {B, H});
    direction.c_n = optional_data<T>(final[d][1], "c_n", {B, H});
    direction.saved = optional_data<T>(saved[d][0], "saved", {p.rows, p.cell.saved_columns()});
    direction.cells = optional_data<T>(saved[d][1], "cells", {p.rows, H});
    if (p.cell.has_cell_state() && (direction.saved == nullptr) != (direction.cells == nullptr)) {
      refuse("an lstm saves its gates and its cell states, or neither");
    }
  }
  const nb::gil_scoped_release release;
  sulsul::layer_forward(call, workspace<T>());
}

template <class T>
void backward(const Problem<T>& p, nb::sequence initial, nb::object hidden, nb::sequence saved,
              nb::object d_hidden, nb::sequence d_final, nb::sequence gradients, nb::object d_rows,
              nb::object d_embedding) {
  sulsul::LayerBackward<T> call;
  call.cell = p.cell;
  call.batch = p.batch;
  call.input = p.input;
  call.directions = p.directions;
  call.precision = p.precision;
  const std::int64_t H = p.units(), B = p.batch.sequences, columns = p.cell.columns();
  call.hidden = data_of<const T>(hidden, "hidden", {p.rows, p.directions * H});
  call.hidden_stride = call.d_hidden_stride = p.directions * H;
  call.d_hidden = optional_data<const T>(d_hidden, "d_hidden", {p.rows, p.directions * H});
  if (p.input.token_ids == nullptr) call.d_rows = optional_data<T>(d_rows, "d_rows", {p.rows, p.input.size});
  call.d_rows_stride = p.input.size;
  if (p.input.embedding) {
    call.d_embedding = optional_data<T>(d_embedding, "d_embedding", {p.input.vocabulary_size, p.input.size});
  }
  for (int d = 0; d < p.directions; ++d) {
    sulsul::BackwardDirection<T>& direction = call.direction[d];
    direction.weights = p.direction_weights(d);
    direction.h0 = optional_data<const T>(initial[d][0], "h0", {B, H});
    direction.c0 = optional_data<const T>(initial[d][1], "c0", {B, H});
    if (p.cell.saved_columns() > 0) {
      direction.saved = data_of<const T>(saved[d][0], "saved", {p.rows, p.cell.saved_columns()});
    }
    if (p.cell.has_cell_state()) direction.cells = data_of<const T>(saved[d][1], "cells", {p.rows, H});
    direction.d_h_n = optional_data<const T>(d_final[d][0], "d_h_n", {B, H});
    direction.d_c_n = optional_data<const T>(d_final[d][1], "d_c_n", {B, H});
    direction.d_kernel = data_of<T>(gradients[d][0], "d_kernel", {p.input.size, columns});
    direction.d_recurrent_kernel = data_of<T>(gradients[d][1], "d_recurrent_kernel", {H, columns});
    direction.d_bias = p.cell.bias_size() == columns ? data_of<T>(gradients[d][2], "d_bias", {columns})
                                                     : data_of<T>(gradients[d][2], "d_bias", {2, columns});
    direction.d_h0 = optional_data<T>(gradients[d][3], "d_h0", {B, H});
    direction.d_c0 = optional_data<T>(gradients[d][4], "d_c0", {B, H});
  }
  const nb::gil_scoped_release release;
  sulsul::layer_backward(call, workspace<T>());
}

// float or double, as the recurrent kernel is.
bool is_double(nb::sequence weights) {
  return nb::cast<nb::ndarray<nb::ro>>(weights[0][1], false).dtype() == nb::dtype<double>();
}

void layer_forward(const std::string& kind, const std::string& activation, bool reset_after, Ids batch_sizes,
                   std::int64_t sequences, nb::object rows, std::optional<Ids> token_ids,
                   nb::object embedding, nb::sequence weights, nb::sequence initial, nb::object hidden,
                   nb::sequence final, nb::sequence saved, const std::string& precision) {
  const sulsul::Cell cell = parse_cell(kind, activation, reset_after);
  const auto run = [&](auto problem) { forward(problem, initial, hidden, final, saved); };
  if (is_double(weights)) {
    run(parse_problem<double>(cell, batch_sizes, sequences, rows, token_ids, embedding, weights, precision));
  } else {
    run(parse_problem<float>(cell, batch_sizes, sequences, rows, token_ids, embedding, weights, precision));
  }
}

void layer_backward(const std::string& kind, const std::string& activation, bool reset_after, Ids batch_sizes,
                    std::int64_t sequences, nb::object rows, std::optional<Ids> token_ids,
                    nb::object embedding, nb::sequence weights, nb::sequence initial, nb::object hidden,
                    nb::sequence saved, nb::object d_hidden, nb::sequence d_final, nb::sequence gradients,
                    nb::object d_rows, nb::object d_embedding, const std::string& precision) {
  const sulsul::Cell cell = parse_cell(kind, activation, reset_after);
  const auto run = [&](auto problem) {
    backward(problem, initial, hidden, saved, d_hidden, d_final, gradients, d_rows, d_embedding);
  };
  if (is_double(weights)) {
    run(parse_problem<double>(cell, batch_sizes, sequences, rows, token_ids, embedding, weights, precision));
  } else {
    run(parse_problem<float>(cell, batch_sizes, sequences, rows, token_ids, embedding, weights, precision));
  }
}

}  // namespace

void bind_recurrence(nb::module_& m) {
  m.def("layer_forward", &layer_forward, nb::arg("kind"), nb::arg("activation"), nb::arg("reset_after"),
        nb::arg("batch_sizes").noconvert(), nb::arg("sequences"), nb::arg("rows").none(),
        nb::arg("token_ids").noconvert().none(), nb::arg("embedding").none(), nb::arg("weights"),
        nb::arg("initial"), nb::arg("hidden").none(), nb::arg("final"), nb::arg("saved"),
        nb::arg("precision"),
        "Run a layer; results go to hidden, final and saved. See sulsul.kernels.native.");
  m.def("layer_backward", &layer_backward, nb::arg("kind"), nb::arg("activation"), nb::arg("reset_after"),
        nb::arg("batch_sizes").noconvert(), nb::arg("sequences"), nb::arg("rows").none(),
        nb::arg("token_ids").noconvert().none(), nb::arg("embedding").none(), nb::arg("weights"),
        nb::arg("initial"), nb::arg("hidden"), nb::arg("saved"), nb::arg("d_hidden").none(),
        nb::arg("d_final"), nb::arg("gradients"), nb::arg("d_rows").none(), nb::arg("d_embedding").none(),
        nb::arg("precision"),
        "Gradients of a layer, into gradients, d_rows and d_embedding. See sulsul.kernels.native.");
}
