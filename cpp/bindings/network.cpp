// Whole networks, as seen from sulsul.kernels.network, which describes the arguments.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "network/training_step.h"

namespace nb = nanobind;

namespace {

using Ids = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using TokenIds = nb::ndarray<const std::int32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Weights = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using LabelSets = nb::ndarray<const float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Array = nb::ndarray<T, nb::c_contig, nb::device::cpu>;

[[noreturn]] void refuse(const std::string& message) { throw std::invalid_argument(message); }

template <class V>
V parse(const char* what, const std::string& name, const std::map<std::string, V>& known) {
  const auto found = known.find(name);
  if (found == known.end()) refuse(std::string("unknown ") + what + " '" + name + "'");
  return found->second;
}

sulsul::Cell parse_cell(const std::string& kind, const std::string& activation, bool reset_after,
                        std::int64_t units) {
  sulsul::Cell cell;
  cell.kind = parse<sulsul::CellKind>("cell", kind,
                                      {{"simple-rnn", sulsul::CellKind::simple_rnn},
                                       {"gru", sulsul::CellKind::gru},
                                       {"lstm", sulsul::CellKind::lstm}});
  cell.relu = parse<bool>("activation", activation, {{"tanh", false}, {"relu", true}});
  cell.reset_after = reset_after;
  cell.units = units;
  return cell;
}

void check_class_ids(const Ids& class_ids, std::int64_t n_classes) {
  for (std::size_t i = 0; i < class_ids.shape(0); ++i) {
    const std::int64_t id = class_ids.data()[i];
    if (id < 0 || id >= n_classes) {
      refuse("class_ids[" + std::to_string(i) + "] is " + std::to_string(id) + ": must be from 0 to " +
             std::to_string(n_classes - 1));
    }
  }
}

// A network and the arrays it works on, which it keeps alive.
template <class T>
class PythonNetwork {
 public:
  sulsul::Network<T>& network() { return runner_.network(); }

  nb::list parameters() {
    nb::list all;
    for (const sulsul::Parameter<T>& parameter : network().parameters()) {
      all.append(nb::make_tuple(parameter.name, parameter.shape, parameter.trainable));
    }
    return all;
  }

  nb::dict times() const {
    const sulsul::PhaseTimes& times = runner_.times();
    nb::dict seconds;
    seconds["gather"] = times.gather;
    seconds["forward"] = times.forward;
    seconds["loss"] = times.loss;
    seconds["backward"] = times.backward;
    seconds["update"] = times.update;
    return seconds;
  }

  void bind_parameter(const std::string& name, Array<T> values, nb::object gradient) {
    for (sulsul::Parameter<T>& parameter : network().parameters()) {
      if (parameter.name != name) continue;
      parameter.values = checked(values, parameter, "values");
      parameter.gradient =
          gradient.is_none() ? nullptr : checked(nb::cast<Array<T>>(gradient, false), parameter, "gradient");
      kept_[name] = nb::make_tuple(values, gradient);
      return;
    }
    refuse("the network has no parameter '" + name + "'");
  }

  void bind_texts(TokenIds token_ids, Ids offsets, nb::object type_offsets, nb::object part_ids) {
    texts_ = text_table(token_ids, offsets, type_offsets, part_ids);
    targets_ = {};
    kept_["texts"] = nb::make_tuple(token_ids, offsets, type_offsets, part_ids);
  }

  void bind_targets(nb::object labels, nb::object class_weights, nb::object sample_weights) {
    const bool sets = network().output_kind() == sulsul::OutputKind::multi_label;
    const std::int64_t n_classes =
        network().output_kind() == sulsul::OutputKind::sigmoid ? 2 : network().n_logits();
    targets_ = {};
    std::int64_t n_texts = 0;
    if (sets) {
      const auto given = nb::cast<LabelSets>(labels, false);
      if (static_cast<std::int64_t>(given.shape(1)) != n_classes)
        refuse("label sets: one column for each class");
      targets_.label_sets = given.data();
      n_texts = static_cast<std::int64_t>(given.shape(0));
    } else {
      const auto given = nb::cast<Ids>(labels, false);
      check_class_ids(given, n_classes);
      targets_.class_ids = given.data();
      n_texts = static_cast<std::int64_t>(given.shape(0));
    }
    if (n_texts != texts_.n_texts) refuse("labels: one for each text");
    if (!class_weights.is_none()) {
      const auto weights = nb::cast<Array<const T>>(class_weights, false);
      if (static_cast<std::int64_t>(weights.size()) != n_classes) refuse("class_weights: one for each class");
      targets_.class_weights = weights.data();
    }
    if (!sample_weights.is_none()) {
      const auto weights = nb::cast<Weights>(sample_weights, false);
      if (static_cast<std::int64_t>(weights.shape(0)) != n_texts) refuse("sample_weights: one for each text");
      targets_.sample_weights = weights.data();
    }
    kept_["targets"] = nb::make_tuple(labels, class_weights, sample_weights);
  }

  void set_optimizer(const std::string& kind, double momentum, double weight_decay, double clip_norm,
                     bool lazy_embedding, Array<T> values, Array<T> gradients, nb::sequence state) {
    settings_.kind = parse<sulsul::OptimizerKind>("optimizer", kind,
                                                  {{"sgd", sulsul::OptimizerKind::sgd},
                                                   {"rmsprop", sulsul::OptimizerKind::rmsprop},
                                                   {"adam", sulsul::OptimizerKind::adam},
                                                   {"adamw", sulsul::OptimizerKind::adamw}});
    settings_.momentum = momentum;
    settings_.weight_decay = weight_decay;
    settings_.clip_norm = clip_norm;
    settings_.lazy_embedding = lazy_embedding;
    const std::size_t n = values.size(), arrays = nb::len(state);
    if (n % sulsul::kUpdateBlock != 0) {
      refuse("the number of parameters must be a multiple of " + std::to_string(sulsul::kUpdateBlock));
    }
    if (static_cast<int>(arrays) != sulsul::optimizer_arrays(settings_)) {
      refuse("optimizer '" + kind + "' keeps " + std::to_string(sulsul::optimizer_arrays(settings_)) +
             " arrays");
    }
    T* data[2] = {nullptr, nullptr};
    for (std::size_t i = 0; i < arrays; ++i) {
      const auto array = nb::cast<Array<T>>(state[i], false);
      if (array.size() != n) refuse("the optimizer's arrays must be as large as the parameters");
      data[i] = array.data();
    }
    if (gradients.size() != n) refuse("as many gradients as parameters are needed");
    flat_ = {values.data(), gradients.data(), data[0], data[1], static_cast<std::int64_t>(n)};
    kept_["optimizer"] = nb::make_tuple(values, gradients, state);
  }

  void predict(TokenIds token_ids, Ids offsets, Ids rows, Array<T> logits, nb::object type_offsets,
               nb::object part_ids) {
    const sulsul::TextTable table = text_table(token_ids, offsets, type_offsets, part_ids);
    if (static_cast<std::int64_t>(logits.size()) != table.n_texts * network().n_logits()) {
      refuse("logits must be (" + std::to_string(table.n_texts) + ", " +
             std::to_string(network().n_logits()) + ")");
    }
    check_bound(false);
    const sulsul::TextRows texts = text_rows(table, rows);
    const nb::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(mutex_);
    runner_.predict(texts, logits.data());
  }

  nb::tuple differentiate(Ids rows, std::uint32_t seed, std::uint64_t step, nb::object places,
                          nb::object offsets) {
    check_bound(true);
    const sulsul::TextRows texts = text_rows(texts_, rows);
    const sulsul::DropoutKey dropout{seed, step, whole_batch(rows, places, offsets)};
    sulsul::LossResult result;
    {
      const nb::gil_scoped_release release;
      const std::lock_guard<std::mutex> lock(mutex_);
      result = runner_.differentiate(texts, targets_, dropout);
    }
    return nb::make_tuple(result.loss, result.n_correct);
  }

  nb::object touched_rows() {
    const std::vector<std::int64_t> rows = runner_.touched_rows();
    auto* copy = new std::vector<std::int64_t>(rows);
    nb::capsule owner(copy, [](void* p) noexcept { delete static_cast<std::vector<std::int64_t>*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, std::int64_t, nb::ndim<1>>(copy->data(), {copy->size()}, owner));
  }

  void update(double learning_rate, std::uint64_t step, nb::object rows) {
    if (flat_.values == nullptr) refuse("the optimizer is not set");
    check_bound(true);
    sulsul::TouchedRows touched;
    Ids ids;
    if (!rows.is_none()) {
      ids = nb::cast<Ids>(rows, false);
      touched = embedding_rows(ids);
    }
    const nb::gil_scoped_release release;
    const std::lock_guard<std::mutex> lock(mutex_);
    const sulsul::FlushDenormals flush;
    sulsul::update_parameters(settings_, learning_rate, static_cast<std::int64_t>(step), flat_, touched);
  }

  nb::list train(nb::list batches, const std::vector<double>& learning_rates, double seconds,
                 std::uint32_t seed, std::uint64_t step) {
    if (flat_.values == nullptr) refuse("the optimizer is not set");
    check_bound(true);
    if (settings_.lazy_embedding) check_embedding_is_flat();
    if (batches.size() != learning_rates.size() || batches.size() == 0) {
      refuse("one learning rate for each of the batches, and at least one");
    }
    std::vector<Ids> rows;  // keep the batches alive, whatever happens to the list
    std::vector<sulsul::PlannedStep> steps;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      rows.push_back(nb::cast<Ids>(batches[i], false));
      steps.push_back({text_rows(texts_, rows.back()), learning_rates[i]});
    }
    std::vector<sulsul::LossResult> losses;
    {
      const nb::gil_scoped_release release;
      const std::lock_guard<std::mutex> lock(mutex_);
      losses = runner_.train(steps, seconds, targets_, {seed, step}, settings_, flat_);
    }
    nb::list results;
    for (const sulsul::LossResult& loss : losses) results.append(nb::make_tuple(loss.loss, loss.n_correct));
    return results;
  }

 private:
  static T* checked(const Array<T>& array, const sulsul::Parameter<T>& parameter, const char* what) {
    bool fits = array.ndim() == parameter.shape.size();
    for (std::size_t i = 0; fits && i < array.ndim(); ++i) {
      fits = static_cast<std::int64_t>(array.shape(i)) == parameter.shape[i];
    }
    if (!fits) refuse(parameter.name + ": " + what + " of another shape");
    return array.data();
  }

  void check_bound(bool with_gradients) {
    if (with_gradients && targets_.class_ids == nullptr && targets_.label_sets == nullptr)
      refuse("no labels are bound");
    for (const sulsul::Parameter<T>& parameter : network().parameters()) {
      if (parameter.values == nullptr) refuse(parameter.name + " is not bound");
      if (with_gradients && parameter.trainable && parameter.gradient == nullptr) {
        refuse(parameter.name + " has no gradient to write to");
      }
    }
  }

  // A lazy update addresses the embedding within the flat arrays.
  void check_embedding_is_flat() {
    const sulsul::Parameter<T>* embedding = network().input().embedding;
    if (embedding == nullptr || embedding->gradient == nullptr) return;
    const std::int64_t first = embedding->gradient - flat_.gradients;
    if (first < 0 || first + embedding->size() > flat_.size || first % sulsul::kUpdateBlock != 0 ||
        embedding->values - flat_.values != first) {
      refuse(embedding->name + " must lie within the optimizer's arrays for a lazy update");
    }
  }

  static sulsul::WholeBatch whole_batch(const Ids& rows, const nb::object& places,
                                        const nb::object& offsets) {
    if (places.is_none() != offsets.is_none()) refuse("places and offsets: both or neither");
    if (places.is_none()) return {};
    const auto given = nb::cast<Ids>(places, false), starts = nb::cast<Ids>(offsets, false);
    if (given.shape(0) != rows.shape(0)) refuse("places: one for each of the rows");
    return {given.data(), starts.data(), static_cast<std::int64_t>(starts.shape(0))};
  }

  // The embedding's place among the values; gradients may be those of another array of the same layout.
  sulsul::TouchedRows embedding_rows(const Ids& ids) {
    const sulsul::Parameter<T>* embedding = network().input().embedding;
    if (embedding == nullptr || embedding->gradient == nullptr) refuse("no embedding is trained");
    const std::int64_t first = embedding->values - flat_.values, row_size = network().input().size;
    if (first < 0 || first + embedding->size() > flat_.size || first % sulsul::kUpdateBlock != 0) {
      refuse(embedding->name + " must lie within the optimizer's arrays for a lazy update");
    }
    for (std::size_t i = 0; i < ids.shape(0); ++i) {
      const std::int64_t id = ids.data()[i], before = i == 0 ? -1 : ids.data()[i - 1];
      if (id <= before || (id + 1) * row_size > embedding->size()) {
        refuse("rows must rise and be rows of " + embedding->name);
      }
    }
    return {first, embedding->size(), row_size, ids.data(), static_cast<std::int64_t>(ids.shape(0))};
  }

  sulsul::TextTable text_table(const TokenIds& token_ids, const Ids& offsets, const nb::object& type_offsets,
                               const nb::object& part_ids) {
    if (offsets.shape(0) == 0) refuse("offsets must have one element more than there are texts");
    return {token_ids.data(), offsets.data(), static_cast<std::int64_t>(offsets.shape(0)) - 1,
            static_cast<std::int64_t>(token_ids.shape(0)), type_table(type_offsets, part_ids)};
  }

  sulsul::TypeTable type_table(const nb::object& type_offsets, const nb::object& part_ids) {
    const bool wanted = network().input().kind == sulsul::InputKind::summed;
    if (type_offsets.is_none() == wanted || part_ids.is_none() == wanted) {
      throw std::out_of_range(wanted ? "a summed embedding reads texts with word types"
                                     : "only a summed embedding reads texts with word types");
    }
    if (!wanted) return {};
    const auto offsets = nb::cast<Ids>(type_offsets, false);
    const auto ids = nb::cast<TokenIds>(part_ids, false);
    if (offsets.shape(0) == 0) refuse("type_offsets must have one element more than there are word types");
    return {offsets.data(), ids.data(), static_cast<std::int64_t>(offsets.shape(0)) - 1,
            static_cast<std::int64_t>(ids.shape(0))};
  }

  static sulsul::TextRows text_rows(const sulsul::TextTable& texts, const Ids& rows) {
    return {texts, rows.data(), static_cast<std::int64_t>(rows.shape(0))};
  }

  sulsul::NetworkRunner<T> runner_;
  sulsul::TextTable texts_;
  sulsul::Targets<T> targets_;
  sulsul::OptimizerSettings settings_;
  sulsul::FlatParameters<T> flat_;
  std::map<std::string, nb::object> kept_;
  std::mutex mutex_;
};

template <class T>
void bind_network_of(nb::module_& m, const char* name) {
  using Self = PythonNetwork<T>;
  nb::class_<Self>(m, name)
      .def(nb::init<>())
      .def("set_input",
           [](Self& self, const std::string& kind, std::int64_t vocabulary_size, std::int64_t size,
              bool trainable) {
             self.network().set_input(
                 parse<sulsul::InputKind>("input", kind,
                                          {{"one-hot", sulsul::InputKind::one_hot},
                                           {"embedding", sulsul::InputKind::embedding},
                                           {"summed-embedding", sulsul::InputKind::summed},
                                           {"raw-ids", sulsul::InputKind::raw_ids}}),
                 vocabulary_size, size, trainable);
           })
      .def("add_recurrent",
           [](Self& self, const std::string& kind, const std::string& activation, bool reset_after,
              std::int64_t units, int directions) {
             if (directions < 1 || directions > sulsul::kMaxDirections) refuse("one or two directions");
             self.network().add_recurrent(parse_cell(kind, activation, reset_after, units), directions);
           })
      .def("add_batch_norm", [](Self& self, double momentum,
                                double epsilon) { self.network().add_batch_norm(momentum, epsilon); })
      .def("add_dropout", [](Self& self, double rate) { self.network().add_dropout(rate); })
      .def("set_pooling",
           [](Self& self, const std::string& kind) {
             self.network().set_pooling(
                 parse<sulsul::PoolingKind>("pooling", kind,
                                            {{"last", sulsul::PoolingKind::last},
                                             {"mean", sulsul::PoolingKind::mean},
                                             {"max", sulsul::PoolingKind::max},
                                             {"attention", sulsul::PoolingKind::attention}}));
           })
      .def("add_dense",
           [](Self& self, std::int64_t units, const std::string& activation) {
             self.network().add_dense(units,
                                      parse<sulsul::Activation>("activation", activation,
                                                                {{"linear", sulsul::Activation::linear},
                                                                 {"relu", sulsul::Activation::relu},
                                                                 {"tanh", sulsul::Activation::tanh}}));
           })
      .def("set_output",
           [](Self& self, const std::string& kind, std::int64_t n_logits) {
             self.network().set_output(
                 parse<sulsul::OutputKind>("output", kind,
                                           {{"sigmoid", sulsul::OutputKind::sigmoid},
                                            {"softmax", sulsul::OutputKind::softmax},
                                            {"multi-label", sulsul::OutputKind::multi_label}}),
                 n_logits);
           })
      .def("parameters", &Self::parameters)
      .def("times", &Self::times)
      .def("bind_parameter", &Self::bind_parameter, nb::arg("name"), nb::arg("values").noconvert(),
           nb::arg("gradient").none())
      .def("bind_texts", &Self::bind_texts, nb::arg("token_ids").noconvert(), nb::arg("offsets").noconvert(),
           nb::arg("type_offsets").none(), nb::arg("part_ids").none())
      .def("bind_targets", &Self::bind_targets, nb::arg("labels"), nb::arg("class_weights").none(),
           nb::arg("sample_weights").none())
      .def("set_optimizer", &Self::set_optimizer, nb::arg("kind"), nb::arg("momentum"),
           nb::arg("weight_decay"), nb::arg("clip_norm"), nb::arg("lazy_embedding"),
           nb::arg("values").noconvert(), nb::arg("gradients").noconvert(), nb::arg("state"))
      .def("predict", &Self::predict, nb::arg("token_ids").noconvert(), nb::arg("offsets").noconvert(),
           nb::arg("rows").noconvert(), nb::arg("logits").noconvert(), nb::arg("type_offsets").none(),
           nb::arg("part_ids").none())
      .def("differentiate", &Self::differentiate, nb::arg("rows").noconvert(), nb::arg("seed"),
           nb::arg("step"), nb::arg("places").none(), nb::arg("offsets").none())
      .def("touched_rows", &Self::touched_rows)
      .def("update", &Self::update, nb::arg("learning_rate"), nb::arg("step"), nb::arg("rows").none())
      .def("train", &Self::train, nb::arg("batches"), nb::arg("learning_rates"), nb::arg("seconds"),
           nb::arg("seed"), nb::arg("step"));
}

}  // namespace

void bind_network(nb::module_& m) {
  bind_network_of<float>(m, "FloatNetwork");
  bind_network_of<double>(m, "DoubleNetwork");
}
