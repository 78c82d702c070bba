# Settings of our own builds, never of a project that includes this one.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()

if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(TADP_CCACHE ccache)
  mark_as_advanced(TADP_CCACHE)
  if(TADP_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${TADP_CCACHE}")
  endif()
endif()

# The CUDA part is built where it can be; TADP_CUDA=OFF leaves it out, and ON says what is missing.
include(TadpCuda)
set(tadp_has_cuda ON)
if(tadp_cuda_missing)
  set(tadp_has_cuda OFF)
endif()
