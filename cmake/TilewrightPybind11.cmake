# Finds pybind11 in the environment of the Python that runs the build.

# Unless this is set, pybind11 links its modules with link-time optimisation. That compiles the bindings in a last step
# that cannot overlap with others, and the kernels, which are in a static library, gain nothing from it.
if(NOT DEFINED CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF)
endif()

find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
if(NOT pybind11_DIR)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
    OUTPUT_VARIABLE pybind11_DIR OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
find_package(pybind11 3 CONFIG REQUIRED)

option(TILEWRIGHT_UNITY "Compile the bindings of each module as one source" ON)

# Every source that includes pybind11 takes about ten seconds to compile, nearly all of them for its headers. Tools that
# read compile_commands.json need the sources one by one: TILEWRIGHT_UNITY=OFF. The bindings only check arguments and
# call the kernels: -O1 saves a third of that time and costs less than 0.1 microseconds a call.
function(tilewright_configure_bindings target)
  if(TILEWRIGHT_UNITY)
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources INCLUDE REGEX "^csrc/bindings/")
    set_source_files_properties(${sources} PROPERTIES UNITY_GROUP bindings)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  endif()
  if(NOT MSVC)
    tilewright_cxx_options(${target} $<$<CONFIG:Release>:-O1>)
  endif()
endfunction()
