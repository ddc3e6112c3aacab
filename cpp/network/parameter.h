// A named array of weights that lives in the caller's memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sulsul {

template <class T>
struct Parameter {
  std::string name;  // as in the state_dict of sulsul.model.Classifier
  std::vector<std::int64_t> shape;
  bool trainable = true;
  T* values = nullptr;
  T* gradient = nullptr;  // of the same shape; nullptr: not wanted

  std::int64_t size() const {
    std::int64_t product = 1;
    for (const std::int64_t n : shape) product *= n;
    return product;
  }
};

}  // namespace sulsul
