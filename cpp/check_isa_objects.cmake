# cmake -DNM=… "-DOBJECTS=a.o;b.o" -P check_isa_objects.cmake
#
# Fails if an object compiled for one instruction set defines a weak function or object: the linker keeps one copy
# of those for the whole program, which an older processor may not be able to run.
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND ${NM} --demangle --defined-only ${object} OUTPUT_VARIABLE symbols
                  COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]* [WVu] [^\n]*" weak "${symbols}")
  list(FILTER weak EXCLUDE REGEX "DW\\.ref\\.__gxx_personality_v0")
  if(weak)
    list(JOIN weak "\n  " weak)
    message(FATAL_ERROR "${object} defines symbols shared by all instruction sets; put them into the unnamed "
                        "namespace or mark them always_inline:\n  ${weak}")
  endif()
endforeach()
