# What every target of the project has in common: language level, warnings, arithmetic rules, sanitizers.

option(TILEWRIGHT_WERROR "Treat warnings as errors" OFF)
set(TILEWRIGHT_SANITIZE "" CACHE STRING "Sanitizers to build with, for example address,undefined")

function(tilewright_configure target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
  )
  if(MSVC)
    target_compile_options(${target} PRIVATE /W4 /fp:precise $<$<BOOL:${TILEWRIGHT_WERROR}>:/WX>)
  else()
    # No contraction into fused multiply-add: every instruction set must give the same bytes. That nobody traps on
    # floating-point flags changes no value, and lets selects be vectorised.
    target_compile_options(${target} PRIVATE
      -Wall -Wextra -Wpedantic -Wconversion -Wshadow -ffp-contract=off -fno-trapping-math
      $<$<CONFIG:Release>:-O3>
      $<$<BOOL:${TILEWRIGHT_WERROR}>:-Werror>
    )
  endif()
  if(TILEWRIGHT_SANITIZE)
    target_compile_options(${target} PRIVATE
      -fsanitize=${TILEWRIGHT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${TILEWRIGHT_SANITIZE})
  endif()
endfunction()
