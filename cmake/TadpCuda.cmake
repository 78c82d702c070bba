# tadp_add_cuda(<include folder>): the target tadp::cuda, our kernels as nvcc compiled them and the libraries beside them.
# Link it to run models on tadp::Cuda. The installed package reads this file, too.

set(TADP_CUDA_ARCHITECTURES "80;90" CACHE STRING "Compute capabilities that the CUDA kernels are compiled for")

# tadp_cuda_missing: what is not there; empty where everything is.
set(tadp_cuda_missing "")
find_package(CUDAToolkit 12 QUIET)
if(CUDAToolkit_FOUND AND CUDAToolkit_NVCC_EXECUTABLE)
  find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  find_library(CUDNN_LIBRARY cudnn HINTS "${CUDAToolkit_LIBRARY_DIR}")
  mark_as_advanced(CUDNN_INCLUDE_DIR CUDNN_LIBRARY)
  set(tadp_cudnn_version 0)
  if(EXISTS "${CUDNN_INCLUDE_DIR}/cudnn_version.h")
    file(STRINGS "${CUDNN_INCLUDE_DIR}/cudnn_version.h" tadp_cudnn_version REGEX "^#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
    string(REGEX REPLACE "[^0-9;]" "" tadp_cudnn_version "${tadp_cudnn_version}")
    list(JOIN tadp_cudnn_version "." tadp_cudnn_version)
  endif()
  if(NOT CUDNN_LIBRARY OR tadp_cudnn_version VERSION_LESS 9.13.1)  # the first that knows attention as one operation
    set(tadp_cuda_missing "cuDNN, 9.13.1 or newer: name its header's folder in CUDNN_INCLUDE_DIR and its library in CUDNN_LIBRARY")
  endif()
else()
  set(tadp_cuda_missing "the CUDA toolkit, 12 or newer, with nvcc: name its folder in CUDAToolkit_ROOT")
endif()

function(tadp_add_cuda include_dir)
  set(kernels "${include_dir}/tadp/kernels/cuda/kernels.cu")
  set(object "${CMAKE_CURRENT_BINARY_DIR}/tadp_cuda_kernels.o")
  # Machine code for each, and for devices newer than the last one its PTX, which their driver translates.
  set(targets "")
  list(SORT TADP_CUDA_ARCHITECTURES COMPARE NATURAL)
  list(GET TADP_CUDA_ARCHITECTURES -1 newest)
  foreach(architecture IN LISTS TADP_CUDA_ARCHITECTURES)
    if(NOT architecture MATCHES "^[0-9]+$")
      message(FATAL_ERROR "TADP_CUDA_ARCHITECTURES is a list of numbers such as 80;90, not \"${TADP_CUDA_ARCHITECTURES}\"")
    endif()
    list(APPEND targets -gencode "arch=compute_${architecture},code=sm_${architecture}")
  endforeach()
  list(APPEND targets -gencode "arch=compute_${newest},code=compute_${newest}")
  # Says what the compiler took, where there is a Python to say it.
  set(measured "")
  list(JOIN TADP_CUDA_ARCHITECTURES ", " named)
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(Python3_FOUND)
    set(measured "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/measured.py" "the CUDA kernels for ${named}")
  endif()
  add_custom_command(OUTPUT "${object}"
    COMMAND ${measured} "${CUDAToolkit_NVCC_EXECUTABLE}" -ccbin "${CMAKE_CXX_COMPILER}" -std=c++20 --expt-relaxed-constexpr -O3
            -Werror all-warnings -Xcompiler=-Wall,-Wextra,-fPIC ${targets} --threads 2 -I "${include_dir}"
            -MD -MF "${object}.d" -MT "${object}" -c "${kernels}" -o "${object}"
    DEPENDS "${kernels}" DEPFILE "${object}.d" VERBATIM COMMENT "Compiling the CUDA kernels")
  add_library(tadp_cuda STATIC EXCLUDE_FROM_ALL "${object}")
  set_target_properties(tadp_cuda PROPERTIES LINKER_LANGUAGE CXX)
  target_include_directories(tadp_cuda SYSTEM PUBLIC "${CUDNN_INCLUDE_DIR}")
  target_link_libraries(tadp_cuda PUBLIC tadp::tadp CUDA::cudart CUDA::cublasLt "${CUDNN_LIBRARY}")
  add_library(tadp::cuda ALIAS tadp_cuda)
endfunction()
