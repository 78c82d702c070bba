# Finds cpp-httplib: the target httplib::httplib of its own configuration (vcpkg, newer distributions), else one made from
# its pkg-config file (Debian), which alone knows with which parts the library was compiled.
find_package(httplib CONFIG QUIET)
if(NOT TARGET httplib::httplib)
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(PC_cpp_httplib QUIET IMPORTED_TARGET cpp-httplib)
    if(TARGET PkgConfig::PC_cpp_httplib)
      add_library(httplib::httplib INTERFACE IMPORTED)
      set_target_properties(httplib::httplib PROPERTIES INTERFACE_LINK_LIBRARIES PkgConfig::PC_cpp_httplib)
    endif()
  endif()
endif()
if(TARGET httplib::httplib)
  set(Httplib_TARGET httplib::httplib)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Httplib REQUIRED_VARS Httplib_TARGET)
