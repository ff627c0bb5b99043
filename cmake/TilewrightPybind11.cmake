# Finds pybind11 in the environment of the Python that runs the build.

find_package(Python 3.11 REQUIRED COMPONENTS Interpreter Development.Module)
if(NOT pybind11_DIR)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
    OUTPUT_VARIABLE pybind11_DIR OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
find_package(pybind11 3 CONFIG REQUIRED)

option(TILEWRIGHT_UNITY "Compile the bindings of each module as one source" ON)

# Every source that includes pybind11 takes about ten seconds to compile, nearly all of them for its headers. Tools that
# read compile_commands.json need the sources one by one: TILEWRIGHT_UNITY=OFF.
function(tilewright_unite_bindings target)
  if(TILEWRIGHT_UNITY)
    get_target_property(sources ${target} SOURCES)
    list(FILTER sources INCLUDE REGEX "^csrc/bindings/")
    set_source_files_properties(${sources} PROPERTIES UNITY_GROUP bindings)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  endif()
endfunction()
