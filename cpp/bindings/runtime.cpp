// Instruction set, threads and memory, as seen from Python.
#include <nanobind/nanobind.h>

#include "runtime/isa.h"
#include "runtime/thread_pool.h"
#include "runtime/workspace.h"

namespace nb = nanobind;

void bind_runtime(nb::module_& m) {
  sulsul::active_isa();  // a wrong SULSUL_ISA or SULSUL_NUM_THREADS is reported by the import
  sulsul::thread_count();

  m.def(
      "detected_isa", [] { return sulsul::isa_name(sulsul::detected_isa()); },
      "Best instruction set of this machine: scalar, avx2, avx512 or amx.");
  m.def("active_isa", [] { return sulsul::isa_name(sulsul::active_isa()); }, "Instruction set in use.");
  m.def(
      "force_isa", [](const char* name) { sulsul::force_isa(sulsul::isa_from_name(name)); }, nb::arg("name"),
      "Use this instruction set from now on; ValueError if the machine lacks it.");
  m.def("thread_count", &sulsul::thread_count, "Threads used by the kernels, the caller included.");
  m.def("set_thread_count", &sulsul::set_thread_count, nb::arg("n"),
        "Set the number of threads (1 to 1024).");
  m.def("workspace_bytes", &sulsul::workspace_bytes, "Bytes of scratch memory and packed weights held.");
  m.def("release_workspaces", &sulsul::release_workspaces,
        "Free unused scratch memory; returns the bytes freed.");
  m.def("denormals_are_flushed", &sulsul::denormals_are_flushed,
        "Whether this thread treats denormal numbers as zero now.");
}
