#include <nanobind/nanobind.h>

void bind_documents(nanobind::module_& m);
void bind_matmul(nanobind::module_& m);
void bind_network(nanobind::module_& m);
void bind_recurrence(nanobind::module_& m);
void bind_runtime(nanobind::module_& m);

NB_MODULE(_native, m) {
  m.doc() = "Recurrence on the CPU.";
  bind_runtime(m);
  bind_matmul(m);
  bind_recurrence(m);
  bind_network(m);
  bind_documents(m);
}
