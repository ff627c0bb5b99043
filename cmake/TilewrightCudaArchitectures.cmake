# Chooses the CUDA architectures to compile for.

set(TILEWRIGHT_CUDA_CAPABILITIES 8.0 8.6 8.9 9.0 12.0)

# Sets `result` to a value for CMAKE_CUDA_ARCHITECTURES. For `choice` ALL, these are all architectures above. Otherwise
# they are those of the devices in this machine. The first architecture has PTX, which every later device can run; it
# alone is the result on a machine without a device.
function(tilewright_cuda_architectures choice result)
  string(REPLACE "." "" all "${TILEWRIGHT_CUDA_CAPABILITIES}")
  list(POP_FRONT all first)
  if(choice STREQUAL "ALL")
    list(TRANSFORM all APPEND -real)
    set(${result} ${first} ${all} PARENT_SCOPE)
    return()
  endif()
  execute_process(
    COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
    RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_QUIET)
  set(chosen "")
  if(status EQUAL 0)
    string(REGEX MATCHALL "[0-9]+\\.[0-9]+" devices "${output}")
    foreach(device IN LISTS devices)
      tilewright_best_cuda_architecture(${device} best)
      list(APPEND chosen ${best})
    endforeach()
    list(REMOVE_DUPLICATES chosen)
  endif()
  if(NOT chosen)
    set(chosen ${first})
  endif()
  set(${result} ${chosen} PARENT_SCOPE)
endfunction()

# A device runs code for lower capabilities of its own major version. For a device of another major version, `result` is
# the first architecture with its PTX.
function(tilewright_best_cuda_architecture device result)
  list(GET TILEWRIGHT_CUDA_CAPABILITIES 0 best)
  set(suffix "")
  string(REGEX MATCH "^[0-9]+" major ${device})
  foreach(capability IN LISTS TILEWRIGHT_CUDA_CAPABILITIES)
    if(capability MATCHES "^${major}\\." AND capability VERSION_LESS_EQUAL device)
      set(best ${capability})
      set(suffix -real)
    endif()
  endforeach()
  string(REPLACE "." "" best ${best})
  set(${result} ${best}${suffix} PARENT_SCOPE)
endfunction()
