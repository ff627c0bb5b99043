# The module for CUDA devices, built if there is a CUDA compiler, and the same sources against an
# emulated device.

set(TILEWRIGHT_CUDA "AUTO" CACHE STRING
  "Build the module for CUDA devices: AUTO (if nvcc is found), ON, ALL (for all supported devices) or OFF")
set_property(CACHE TILEWRIGHT_CUDA PROPERTY STRINGS AUTO ON ALL OFF)
option(TILEWRIGHT_CUDA_EMULATED "Build the module for an emulated CUDA device, for tests" OFF)

set(TILEWRIGHT_CUDA_SOURCES
  csrc/bindings/arguments.cc
  csrc/bindings/arrays.cc
  csrc/bindings/cuda/bind_arrays.cc
  csrc/bindings/cuda/bind_canvas.cc
  csrc/bindings/cuda/bind_device.cc
  csrc/bindings/cuda/bind_gather.cc
  csrc/bindings/cuda/bind_memory.cc
  csrc/bindings/cuda/device_arrays.cc
  csrc/bindings/cuda/module.cc
  csrc/cuda/buffer.cc
  csrc/cuda/canvas.cc
  csrc/cuda/runtime.cc
  csrc/cuda/stream.cc
)

function(tilewright_add_cuda_module name)
  pybind11_add_module(${name} MODULE ${TILEWRIGHT_CUDA_SOURCES} ${ARGN})
  target_link_libraries(${name} PRIVATE tilewright_core)
  target_compile_definitions(${name} PRIVATE TILEWRIGHT_CUDA_MODULE=${name})
  tilewright_configure(${name})
  tilewright_configure_bindings(${name})
  install(TARGETS ${name} DESTINATION tilewright)
endfunction()

if(TILEWRIGHT_CUDA)
  # Set before the compiler is detected, which would choose its own default.
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
    include(TilewrightCudaArchitectures)
    tilewright_cuda_architectures(${TILEWRIGHT_CUDA} CMAKE_CUDA_ARCHITECTURES)
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    enable_language(CUDA)
    message(STATUS "CUDA architectures: ${CMAKE_CUDA_ARCHITECTURES}")
    # The static runtime loads the driver at run time, so the module can be imported without a driver.
    tilewright_add_cuda_module(_cuda csrc/cuda/blend.cu csrc/cuda/gather.cu)
    set_target_properties(_cuda PROPERTIES CUDA_RUNTIME_LIBRARY Static)
    # CMake before 3.26 does not know the option of nvcc for C++20.
    if(NOT DEFINED CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      target_compile_options(_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-std=c++20>)
    endif()
    target_include_directories(_cuda SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  elseif(NOT TILEWRIGHT_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "TILEWRIGHT_CUDA is ${TILEWRIGHT_CUDA}, but no CUDA compiler was found")
  else()
    message(STATUS "No CUDA compiler found: building without the module for CUDA devices")
  endif()
endif()

if(TILEWRIGHT_CUDA_EMULATED)
  tilewright_add_cuda_module(_cuda_emulated
    csrc/bindings/cuda/bind_emulation.cc
    csrc/testing/blend.cc
    csrc/testing/cuda_runtime.cc
    csrc/testing/gather.cc
  )
  target_compile_definitions(_cuda_emulated PRIVATE TILEWRIGHT_CUDA_EMULATED=1)
  target_include_directories(_cuda_emulated BEFORE PRIVATE csrc/testing)
endif()
