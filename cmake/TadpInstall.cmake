# Install rules: headers, models, the program where it was built, and the package that find_package(tadp) reads.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(tadp_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/tadp")
set(tadp_models_dir "${CMAKE_INSTALL_DATADIR}/tadp/models")

install(TARGETS tadp EXPORT tadpTargets)
install(EXPORT tadpTargets NAMESPACE tadp:: DESTINATION "${tadp_package_dir}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.hpp" PATTERN "*.cuh" PATTERN "*.cu")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
# Made even when there is no model yet, so that the folder that the package names is always there.
install(DIRECTORY DESTINATION "${tadp_models_dir}")
if(IS_DIRECTORY "${PROJECT_SOURCE_DIR}/models")
  install(DIRECTORY "${PROJECT_SOURCE_DIR}/models/" DESTINATION "${tadp_models_dir}")
endif()
if(TARGET tadp_program)
  install(TARGETS tadp_program RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" OPTIONAL)
endif()

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/tadpConfig.cmake.in" "${PROJECT_BINARY_DIR}/tadpConfig.cmake"
                              INSTALL_DESTINATION "${tadp_package_dir}" PATH_VARS tadp_models_dir CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tadpConfigVersion.cmake" COMPATIBILITY SameMinorVersion
                                 ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/tadpConfig.cmake" "${PROJECT_BINARY_DIR}/tadpConfigVersion.cmake" "${PROJECT_SOURCE_DIR}/cmake/FindMinizip.cmake" "${PROJECT_SOURCE_DIR}/cmake/FindUtf8proc.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/FindHttplib.cmake" "${PROJECT_SOURCE_DIR}/cmake/TadpHttp.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/TadpCuda.cmake" "${PROJECT_SOURCE_DIR}/cmake/measured.py"
        DESTINATION "${tadp_package_dir}")
