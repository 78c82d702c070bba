# Configures, builds and runs the downstream project in WORK by the way WAY; find_package reads a fresh installed copy.
# With REFUSAL, configuring must fail, and say that.

file(REMOVE_RECURSE "${WORK}")
set(arguments "-DTADP_WAY=${WAY}" "-DTADP_SOURCE=${TADP_SOURCE}")
foreach(name IN ITEMS TADP_CUDA_ARCHITECTURES CUDAToolkit_ROOT CUDNN_INCLUDE_DIR CUDNN_LIBRARY CMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit)
  if(DEFINED ${name})
    list(APPEND arguments "-D${name}=${${name}}")
  endif()
endforeach()
if(WAY MATCHES "^(find_package|cuda)$")
  execute_process(COMMAND ${CMAKE_COMMAND} --install "${TADP_BINARY}" --prefix "${WORK}/prefix" OUTPUT_QUIET
                  COMMAND_ERROR_IS_FATAL ANY)
  list(APPEND arguments "-DCMAKE_PREFIX_PATH=${WORK}/prefix")
endif()
set(configure ${CMAKE_COMMAND} -S "${CMAKE_CURRENT_LIST_DIR}" -B "${WORK}/build" -G "${GENERATOR}"
              "-DCMAKE_CXX_COMPILER=${COMPILER}" -DCMAKE_BUILD_TYPE=Release ${arguments})
if(REFUSAL)
  execute_process(COMMAND ${configure} RESULT_VARIABLE status ERROR_VARIABLE said)
  string(REGEX REPLACE "[ \n]+" " " said "${said}")  # it is broken into lines
  string(FIND "${said}" "${REFUSAL}" at)
  if(status EQUAL 0 OR at EQUAL -1)
    message(FATAL_ERROR "not refused with \"${REFUSAL}\" (status ${status}): ${said}")
  endif()
  return()
endif()
execute_process(COMMAND ${configure} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_COMMAND} --build "${WORK}/build" COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND "${WORK}/build/consumer" COMMAND_ERROR_IS_FATAL ANY)
