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
