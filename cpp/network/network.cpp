#include "network/network.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "network/batch_norm.h"

namespace sulsul {

template <class T>
Parameter<T>* Network<T>::add_parameter(std::string name, std::vector<std::int64_t> shape, bool trainable) {
  parameters_.emplace_back();
  Parameter<T>& parameter = parameters_.back();
  parameter.name = std::move(name);
  parameter.shape = std::move(shape);
  parameter.trainable = trainable;
  return &parameter;
}

template <class T>
void Network<T>::set_input(InputKind kind, std::int64_t vocabulary_size, std::int64_t size, bool trainable) {
  input_.kind = kind;
  input_.vocabulary_size = vocabulary_size;
  input_.size = size_ = kind == InputKind::one_hot ? vocabulary_size : size;
  if (kind != InputKind::one_hot) widest_ = size;  // one-hot rows never exist
  if (kind == InputKind::embedding || kind == InputKind::summed) {
    input_.embedding = add_parameter("input.weight", {vocabulary_size, size}, trainable);
  }
}

template <class T>
void Network<T>::add_recurrent(const Cell& cell, int directions) {
  const std::string layer = "layers." + std::to_string(layers_.size()) + ".";
  const std::int64_t columns = cell.columns();
  std::vector<std::int64_t> bias{columns};
  if (cell.bias_size() > columns) bias = {2, columns};
  std::vector<DirectionParameters<T>> parameters;
  for (int d = 0; d < directions; ++d) {
    const std::string name = layer + (d == 0 ? "forward_direction." : "backward_direction.");
    DirectionParameters<T> direction;
    direction.kernel = add_parameter(name + "kernel", {size_, columns});
    direction.recurrent_kernel = add_parameter(name + "recurrent_kernel", {cell.units, columns});
    direction.bias = add_parameter(name + "bias", bias);
    parameters.push_back(direction);
  }
  std::unique_ptr<RecurrentLayer<T>> made = make_recurrent_layer<T>(cell, std::move(parameters));
  if (layers_.empty() && input_.kind != InputKind::raw_ids) first_looks_up_ = made.get();
  layers_.push_back(std::move(made));
  size_ = directions * cell.units;
  n_backward_ = directions > 1 ? cell.units : 0;
  widest_ = std::max(widest_, size_);
}

template <class T>
void Network<T>::add_batch_norm(double momentum, double epsilon) {
  const std::string name = "layers." + std::to_string(layers_.size()) + ".";
  BatchNormParameters<T> parameters;
  parameters.gamma = add_parameter(name + "gamma", {size_});
  parameters.beta = add_parameter(name + "beta", {size_});
  parameters.moving_mean = add_parameter(name + "moving_mean", {size_}, false);
  parameters.moving_variance = add_parameter(name + "moving_variance", {size_}, false);
  layers_.push_back(std::make_unique<BatchNorm<T>>(parameters, size_, momentum, epsilon));
}

template <class T>
void Network<T>::add_dropout(double rate) {
  if (pooling_) {
    head_.add(std::make_unique<PooledDropout<T>>(rate, n_dropouts_++, size_));
  } else {
    layers_.push_back(std::make_unique<SequenceDropout<T>>(rate, n_dropouts_++, size_));
  }
}

template <class T>
void Network<T>::set_pooling(PoolingKind kind) {
  pooled_size_ = size_;
  switch (kind) {
    case PoolingKind::last:
      pooling_ = last_pooling<T>(size_, n_backward_);
      if (!layers_.empty()) final_layer_ = dynamic_cast<RecurrentLayer<T>*>(layers_.back().get());
      if (final_layer_) final_layer_->return_final_state();
      break;
    case PoolingKind::mean:
      pooling_ = mean_pooling<T>(size_);
      break;
    case PoolingKind::max:
      pooling_ = max_pooling<T>(size_);
      break;
    case PoolingKind::attention:
      pooling_ = attention_pooling<T>(size_, add_parameter("pooling.query", {size_}));
      break;
  }
}

template <class T>
void Network<T>::add_dense_to_head(const std::string& name, std::int64_t units, Activation activation) {
  Parameter<T>* kernel = add_parameter(name + "kernel", {size_, units});
  Parameter<T>* bias = add_parameter(name + "bias", {units});
  head_.add(std::make_unique<Dense<T>>(kernel, bias, activation));
  size_ = units;
}

template <class T>
void Network<T>::add_dense(std::int64_t units, Activation activation) {
  add_dense_to_head("head." + std::to_string(head_.n_layers()) + ".", units, activation);
}

template <class T>
void Network<T>::set_output(OutputKind kind, std::int64_t n_logits) {
  output_kind_ = kind;
  n_logits_ = n_logits;
  add_dense_to_head("output.", n_logits, Activation::linear);
}

template <class T>
const T* Network<T>::pool(const Pass& pass, const T* rows) {
  if (final_layer_) return final_layer_->final_state();
  T* pooled = pass.scratch.array<T>(pass.batch.sequences() * pooled_size_);
  pooling_->forward(pass, rows, pooled);
  return pooled;
}

template <class T>
const T* Network<T>::forward(const Pass& pass) {
  if (n_logits_ == 0) throw std::logic_error("the network has no output yet");
  inputs_.clear();
  const Input<T>& read = sums_words() ? words_.sum(input_, pass) : input_;
  inputs_.push_back(read_input(read, pass, first_looks_up_ == nullptr));
  for (const auto& layer : layers_) inputs_.push_back(layer->forward(pass, inputs_.back()));
  return head_.forward(pass, pool(pass, inputs_.back().rows));
}

template <class T>
void Network<T>::backward(const Pass& pass, T* d_logits) {
  sequence_backward(pass, head_.backward(pass, d_logits));
}

template <class T>
TouchedRows Network<T>::touched_rows(const PackedTexts& batch, const T* gradients) {
  TouchedRows touched;
  if (!input_.embedding || !input_.embedding->gradient) return touched;
  const std::vector<std::int64_t>& rows = sulsul::touched_rows(input_, batch);
  touched.first = input_.embedding->gradient - gradients;
  touched.size = input_.embedding->size();
  touched.row_size = input_.size;
  touched.rows = rows.data();
  touched.n_rows = static_cast<std::int64_t>(rows.size());
  return touched;
}

// Two buffers take turns: the gradient of a layer's output and that of its input.
template <class T>
void Network<T>::sequence_backward(const Pass& pass, const T* d_pooled) {
  ScratchFrame scratch;
  T* buffers[2] = {nullptr, nullptr};
  const auto buffer = [&](std::size_t i) {
    T*& rows = buffers[i % 2];
    if (rows == nullptr) rows = scratch.array<T>(pass.batch.rows() * widest_);
    return rows;
  };
  T* d_rows = nullptr;
  if (final_layer_) {
    final_layer_->set_final_gradient(d_pooled);
  } else {
    d_rows = buffer(layers_.size());
    pooling_->backward(pass, inputs_.back().rows, d_pooled, d_rows);
  }
  Input<T>& read = sums_words() ? words_.words() : input_;
  const bool trains_embedding = input_.embedding && input_.embedding->gradient;
  if (trains_embedding && sums_words()) words_.add_gradient(scratch);
  const bool folds =
      trains_embedding && first_looks_up_ && first_looks_up_->folds_embedding(pass, inputs_.front());
  for (std::size_t i = layers_.size(); i-- > 0;) {
    InputGradient<T> d_input;
    if (i == 0 && folds) {
      d_input.embedding = read.embedding->gradient;
      read.all_written = true;
    } else if (i > 0 || trains_embedding) {
      d_input.rows = buffer(i);
    }
    layers_[i]->backward(pass, inputs_[i], d_rows, d_input);
    d_rows = d_input.rows;
  }
  if (trains_embedding && !folds) scatter_embedding_gradient(read, pass, d_rows);
  if (trains_embedding && sums_words()) words_.scatter_gradient(input_);
}

template class Network<float>;
template class Network<double>;

}  // namespace sulsul
