# Toolchain file that compiles for Linux on aarch64 with GCC's cross compiler.

set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# GCC notes, at every std::pair<float, float> that is passed by value, that its releases before 10.1 passed it in
# another way.
set(CMAKE_CXX_FLAGS_INIT -Wno-psabi)
