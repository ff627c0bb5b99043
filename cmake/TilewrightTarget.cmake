# Settings shared by all targets: language level, warnings, floating-point rules, sanitizers.

option(TILEWRIGHT_WERROR "Treat warnings as errors" OFF)
set(TILEWRIGHT_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined")

function(tilewright_configure target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    CUDA_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
  )
  # No contraction into fused multiply-add, because all instruction sets and devices must give the
  # same bytes.
  if(MSVC)
    tilewright_cxx_options(${target} /W4 /fp:precise $<$<BOOL:${TILEWRIGHT_WERROR}>:/WX>)
  else()
    # -fno-trapping-math changes no value. It lets the compiler vectorise selects.
    tilewright_cxx_options(${target}
      -Wall -Wextra -Wpedantic -Wconversion -Wshadow -ffp-contract=off -fno-trapping-math
      $<$<BOOL:${TILEWRIGHT_WERROR}>:-Werror>
    )
  endif()
  # Device code calls constexpr functions of the standard library.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-fmad=false --expt-relaxed-constexpr>)
  if(TILEWRIGHT_SANITIZE)
    tilewright_cxx_options(${target}
      -fsanitize=${TILEWRIGHT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${TILEWRIGHT_SANITIZE})
  endif()
endfunction()

# Adds options of the C++ compiler that nvcc does not know.
function(tilewright_cxx_options target)
  foreach(option IN LISTS ARGN)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${option}>)
  endforeach()
endfunction()
