# tadp_own_target(<target>): a program of this repository. It links the library and carries the flags that we hold
# ourselves to; none of them reaches a user.

include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-march=native TADP_HAS_MARCH_NATIVE)

function(tadp_own_target target)
  target_link_libraries(${target} PRIVATE tadp::tadp)
  target_compile_definitions(${target} PRIVATE "TADP_MODELS_DIR=\"${PROJECT_SOURCE_DIR}/models\"")
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^12\\.")
    # False alarms of GCC 12: on text + std::string (bug 105651), and inside its own AVX-512 intrinsics (bug 105593).
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-maybe-uninitialized -Wno-uninitialized)
  endif()
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  if(TADP_NATIVE AND TADP_HAS_MARCH_NATIVE)
    target_compile_options(${target} PRIVATE -march=native)
  endif()
endfunction()
