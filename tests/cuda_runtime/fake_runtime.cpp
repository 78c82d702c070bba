// SPDX-License-Identifier: Apache-2.0
// The functions of the CUDA runtime that the headers of the device call. Memory is the host's, and calls are done when
// they return.
#include "fake_runtime.hpp"

#include <cstdlib>
#include <cstring>

namespace fake {

Runtime& runtime() {
  static Runtime one;
  return one;
}

namespace {

/// What a call answers that has nothing else to say.
cudaError_t answer(char const* call) {
  auto const found = runtime().failing.find(call);
  return found == runtime().failing.end() ? cudaSuccess : found->second;
}
template <class Handle>
cudaError_t make(char const* call, Handle* handle, int& alive) {
  if (cudaError_t const code = answer(call); code != cudaSuccess) return code;
  *handle = reinterpret_cast<Handle>(std::malloc(1));
  ++alive;
  return cudaSuccess;
}
template <class Handle>
cudaError_t destroy(Handle handle, int& alive) {
  std::free(handle);
  --alive;
  return cudaSuccess;
}
bool exists(int index) { return index >= 0 && index < static_cast<int>(runtime().devices.size()); }
Device const& device(int index) { return runtime().devices[static_cast<std::size_t>(index)]; }

}  // namespace
}  // namespace fake

tadp::cuda::CompiledCode tadp::cuda::compiled_code() { return fake::runtime().code; }

extern "C" {

char const* cudaGetErrorName(cudaError_t code) {
  static std::string name;
  name = "error " + std::to_string(code);
  return name.c_str();
}
char const* cudaGetErrorString(cudaError_t) { return "in words"; }
cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = fake::runtime().driver;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  if (fake::runtime().driver < 13000) return cudaErrorInsufficientDriver;
  *count = static_cast<int>(fake::runtime().devices.size());
  return *count == 0 ? cudaErrorNoDevice : fake::answer("cudaGetDeviceCount");
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int index) {
  if (!fake::exists(index)) return cudaErrorInvalidDevice;
  fake::Device const& d = fake::device(index);
  d.name.copy(p->name, sizeof(p->name) - 1);
  p->major = d.capability.major;
  p->minor = d.capability.minor;
  p->totalGlobalMem = std::size_t{80} << 30;
  p->memoryPoolsSupported = d.pools ? 1 : 0;
  return fake::answer("cudaGetDeviceProperties");
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int index) {
  if (!fake::exists(index) || attribute != cudaDevAttrComputeMode) return cudaErrorInvalidValue;
  *value = fake::device(index).mode;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* index) {
  *index = 0;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return fake::answer("cudaSetDevice"); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) { return fake::make("cudaStreamCreateWithFlags", stream, fake::runtime().streams); }
cudaError_t cudaStreamDestroy(cudaStream_t stream) { return fake::destroy(stream, fake::runtime().streams); }
cudaError_t cudaStreamSynchronize(cudaStream_t) { return fake::answer("cudaStreamSynchronize"); }

cudaError_t cudaMemPoolCreate(cudaMemPool_t* pool, cudaMemPoolProps const*) { return fake::make("cudaMemPoolCreate", pool, fake::runtime().pools); }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return fake::answer("cudaMemPoolSetAttribute"); }
cudaError_t cudaMemPoolDestroy(cudaMemPool_t pool) { return fake::destroy(pool, fake::runtime().pools); }
cudaError_t cudaMallocFromPoolAsync(void** data, std::size_t, cudaMemPool_t, cudaStream_t) { return fake::make("cudaMallocFromPoolAsync", data, fake::runtime().blocks); }
cudaError_t cudaFreeAsync(void* data, cudaStream_t) { return fake::destroy(data, fake::runtime().blocks); }

cudaError_t cudaEventDestroy(cudaEvent_t) { return cudaSuccess; }
cudaError_t cudaFreeHost(void*) { return cudaSuccess; }

}  // extern "C"
