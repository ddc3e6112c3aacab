# One object library per instruction set, so that each source is compiled with its own flags.
#
#   sulsul_sources(file.cpp …)                             portable code (runtime, dispatch)
#   sulsul_isa_sources("scalar;avx2;avx512" file.cpp …)    compiled once for each level named
#
# Every per-level compilation sees SULSUL_ISA_NAMESPACE (scalar, avx2, avx512, amx) and SULSUL_ISA_<LEVEL>=1 (amx
# sees SULSUL_ISA_AVX512 too). Put
# everything with a linkage into that namespace; keep std:: templates and inline functions of shared headers out
# of such files (mark them always_inline): the linker keeps one copy of an inline function for the whole program,
# and it may be the one with AVX-512 in it. The build fails if an object has such a symbol.

set(SULSUL_SANITIZE "" CACHE STRING "Build with sanitizers: address,undefined or thread")

if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  set(SULSUL_ISAS scalar avx2 avx512 amx)
else()
  set(SULSUL_ISAS scalar)
endif()

# Contraction is off in portable code: the compiler would fuse a*b+c in one tile shape and not in another, and a
# row's result would depend on where it stands. The other levels call the fused instruction themselves.
set(SULSUL_FLAGS_scalar -ffp-contract=off)
set(SULSUL_FLAGS_avx2 -mavx2 -mfma -ffp-contract=off)
set(SULSUL_FLAGS_avx512 ${SULSUL_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC's own AVX-512 header warns about itself (GCC bug 105593).
  list(APPEND SULSUL_FLAGS_avx512 -Wno-uninitialized -Wno-maybe-uninitialized)
endif()
set(SULSUL_FLAGS_amx ${SULSUL_FLAGS_avx512} -mavx512bf16 -mamx-tile -mamx-bf16)

function(sulsul_object_library name)
  add_library(${name} OBJECT)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_FUNCTION_LIST_DIR})
  target_compile_options(${name} PRIVATE -O3 -Wall -Wextra)
  if(SULSUL_SANITIZE)
    # -O1: instrumented tiles at -O3 take the compiler minutes a file. Warnings of what instrumentation hides are off.
    target_compile_options(${name} PRIVATE -O1 -w -fsanitize=${SULSUL_SANITIZE} -fno-omit-frame-pointer -g)
  endif()
endfunction()

# Made with its first source: a room may not have one for every level.
function(sulsul_isa_library isa)
  if(TARGET sulsul_${isa})
    return()
  endif()
  sulsul_object_library(sulsul_${isa})
  string(TOUPPER ${isa} upper)
  target_compile_options(sulsul_${isa} PRIVATE ${SULSUL_FLAGS_${isa}})
  if(SULSUL_SANITIZE MATCHES "undefined" AND NOT isa STREQUAL scalar)
    # Checked arithmetic in unrolled tiles takes the compiler ten minutes a file; it is the same source as the scalar
    # level's, which has the checks. Addresses are checked on every level.
    target_compile_options(sulsul_${isa} PRIVATE -fno-sanitize=undefined)
  endif()
  target_compile_definitions(sulsul_${isa} PRIVATE SULSUL_ISA_NAMESPACE=${isa} SULSUL_ISA_${upper}=1)
  if(isa STREQUAL amx)
    target_compile_definitions(sulsul_amx PRIVATE SULSUL_ISA_AVX512=1)
  endif()
endfunction()

sulsul_object_library(sulsul_portable)

function(sulsul_sources)
  list(TRANSFORM ARGN PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  target_sources(sulsul_portable PRIVATE ${ARGN})
endfunction()

function(sulsul_isa_sources isas)
  list(TRANSFORM ARGN PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")
  foreach(isa IN LISTS isas)
    if(isa IN_LIST SULSUL_ISAS)
      sulsul_isa_library(${isa})
      target_sources(sulsul_${isa} PRIVATE ${ARGN})
    endif()
  endforeach()
endfunction()
