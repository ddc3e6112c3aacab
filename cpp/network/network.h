// A whole classifier: input, sequence layers, pooling, dense head, output.
//
// Built part after part in the order of the data; parameters() then names every array, and the caller points
// each at its memory. Names, shapes and order are those of sulsul.model.Classifier.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "network/dense.h"
#include "network/dropout.h"
#include "network/head.h"
#include "network/input.h"
#include "network/loss.h"
#include "network/optimizer.h"
#include "network/pooling.h"
#include "network/recurrent_layer.h"
#include "network/summed_words.h"

namespace sulsul {

enum class PoolingKind { last, mean, max, attention };

template <class T>
class Network {
 public:
  // `size`: features per timestep. A one-hot input has vocabulary_size of them.
  // A summed one reads word types, of which there may be any number; its vocabulary is that of their parts.
  void set_input(InputKind kind, std::int64_t vocabulary_size, std::int64_t size, bool trainable);
  void add_recurrent(const Cell& cell, int directions);
  void add_batch_norm(double momentum, double epsilon);
  void add_dropout(double rate);  // on packed rows or, behind the pooling, on pooled ones
  void set_pooling(PoolingKind kind);
  void add_dense(std::int64_t units, Activation activation);
  void set_output(OutputKind kind, std::int64_t n_logits);

  std::deque<Parameter<T>>& parameters() { return parameters_; }
  const Input<T>& input() const { return input_; }
  OutputKind output_kind() const { return output_kind_; }
  std::int64_t n_logits() const { return n_logits_; }

  // Logits (B, n_logits()) in packed order; they last as long as the pass.
  const T* forward(const Pass& pass);

  // Fills the gradient of every trainable parameter. After a forward in training; d_logits is overwritten.
  void backward(const Pass& pass, T* d_logits);

  // The rows of the embedding that the batch of the last backward reads, as an update of the parameters with
  // these gradients needs them; they last until the next call. Everything, if no embedding is trained.
  TouchedRows touched_rows(const PackedTexts& batch, const T* gradients);

 private:
  Parameter<T>* add_parameter(std::string name, std::vector<std::int64_t> shape, bool trainable = true);
  void add_dense_to_head(const std::string& name, std::int64_t units, Activation activation);
  const T* pool(const Pass& pass, const T* rows);
  bool sums_words() const { return input_.kind == InputKind::summed; }
  void sequence_backward(const Pass& pass, const T* d_pooled);

  std::deque<Parameter<T>> parameters_;
  Input<T> input_;
  SummedWords<T> words_;
  std::vector<std::unique_ptr<SequenceLayer<T>>> layers_;
  std::unique_ptr<Pooling<T>> pooling_;
  Head<T> head_;
  OutputKind output_kind_ = OutputKind::softmax;
  RecurrentLayer<T>* first_looks_up_ = nullptr;  // the first layer, if it reads tokens
  RecurrentLayer<T>* final_layer_ = nullptr;     // the last layer, if its final state is all that is pooled
  std::int64_t pooled_size_ = 0;
  std::int64_t n_logits_ = 0;
  // While the network is built.
  std::int64_t size_ = 0;        // features of what was added last
  std::int64_t n_backward_ = 0;  // of them, those of a backward direction
  std::int64_t widest_ = 0;      // features of the widest packed rows with a gradient
  DropoutIndex n_dropouts_ = 0;

  std::vector<SequenceInput<T>> inputs_;  // of the pass: of every sequence layer and, last, of the pooling
};

}  // namespace sulsul
