// SPDX-License-Identifier: Apache-2.0
// Every kernel of the library for nvcc: exactly one .cu file of a program includes this (kernels.cu beside it does).
// A kernel that an operation starts and that is missing here is an unresolved symbol at link time.
#pragma once

#if !defined(__CUDACC__)
#error "tadp/kernels/cuda/kernels.cuh is for nvcc: the host includes tadp/kernels/cuda.hpp"
#endif

#include "tadp/kernels/cuda/attention_gradient.cuh"
#include "tadp/kernels/cuda/conv.cuh"
#include "tadp/kernels/cuda/dense_loss.cuh"
#include "tadp/kernels/cuda/detection_loss.cuh"
#include "tadp/kernels/cuda/enqueue.hpp"
#include "tadp/kernels/cuda/epilogue.cuh"
#include "tadp/kernels/cuda/matching.cuh"
#include "tadp/kernels/cuda/norm.cuh"
#include "tadp/kernels/cuda/optimizer.cuh"
#include "tadp/kernels/cuda/proposals.cuh"
#include "tadp/kernels/cuda/roi.cuh"
#include "tadp/kernels/cuda/softmax.cuh"
#include "tadp/kernels/cuda/text_attention.cuh"
#include "tadp/kernels/cuda/unfold.cuh"
#include "tadp/kernels/cuda/windows.cuh"

namespace tadp::cuda {

template <class Kernel>
__global__ void __launch_bounds__(Kernel::threads) run_block(Kernel const kernel) {
  extern __shared__ __align__(16) unsigned char memory[];
  DeviceBlock<Kernel> block(*reinterpret_cast<typename Kernel::Shared*>(memory));
  kernel(block);
}

template <class Kernel>
int enqueue(void* stream, index_t blocks, Kernel const& kernel) {
  constexpr int shared = std::is_empty_v<typename Kernel::Shared> ? 0 : static_cast<int>(sizeof(typename Kernel::Shared));
  if (blocks > std::numeric_limits<std::int32_t>::max()) return cudaErrorInvalidConfiguration;
  if constexpr (shared > 48 * 1024) {  // more than a device gives unasked
    cudaError_t const code = cudaFuncSetAttribute(run_block<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize, shared);
    if (code != cudaSuccess) return code;
  }
  run_block<Kernel><<<static_cast<unsigned>(blocks), Kernel::threads, shared, static_cast<cudaStream_t>(stream)>>>(kernel);
  return cudaGetLastError();
}

}  // namespace tadp::cuda

/// One kernel; a kernel, or a work of ForEach, of each element.
#define TADP_KERNEL(...) template int tadp::cuda::enqueue(void*, tadp::index_t, __VA_ARGS__ const&);
#define TADP_WORK(...) TADP_KERNEL(ForEach<__VA_ARGS__>)
#define TADP_EACH_ELEMENT(form, name) TADP_##form(name<float>) TADP_##form(name<Half>) TADP_##form(name<BFloat16>)
/// One element and four at a time.
#define TADP_EACH_STEP(form, name)                                                                                                          \
  TADP_##form(name<float, 1>) TADP_##form(name<Half, 1>) TADP_##form(name<BFloat16, 1>) TADP_##form(name<float, 4>)                         \
  TADP_##form(name<Half, 4>) TADP_##form(name<BFloat16, 4>)
/// From halves to float and back.
#define TADP_EACH_HALF(form, name) TADP_##form(name<float, Half>) TADP_##form(name<Half, float>) TADP_##form(name<float, BFloat16>) TADP_##form(name<BFloat16, float>)
#define TADP_EACH_WIDTH(name)                                                                                                               \
  TADP_KERNEL(name<float, 160>) TADP_KERNEL(name<Half, 160>) TADP_KERNEL(name<BFloat16, 160>) TADP_KERNEL(name<float, 512>)                 \
  TADP_KERNEL(name<Half, 512>) TADP_KERNEL(name<BFloat16, 512>)
/// Sums by channel or over pixels of a term, and what is done with them.
#define TADP_CHANNEL_TERM(...) TADP_KERNEL(ChannelSums<__VA_ARGS__>)
#define TADP_CHANNEL_DONE(count, ...) TADP_WORK(FinishChannelSums<count, __VA_ARGS__>)
#define TADP_PIXEL_TERM(...) TADP_KERNEL(PixelSums<__VA_ARGS__>)
#define TADP_PIXEL_DONE(count, ...) TADP_KERNEL(FinishPixelSums<count, __VA_ARGS__>)

namespace tadp::cuda {

TADP_EACH_ELEMENT(WORK, Activate)
TADP_EACH_ELEMENT(WORK, ActivateGradient)
TADP_EACH_ELEMENT(WORK, Geglu)
TADP_EACH_ELEMENT(WORK, GegluGradient)
TADP_EACH_ELEMENT(WORK, AddTwo)
TADP_EACH_ELEMENT(WORK, Scale)
TADP_EACH_ELEMENT(WORK, Accumulate)
TADP_EACH_HALF(WORK, Accumulate)
TADP_EACH_HALF(WORK, Convert)
TADP_EACH_ELEMENT(WORK, Copy)
TADP_EACH_ELEMENT(WORK, GatedSum)
TADP_EACH_ELEMENT(WORK, GatedSumGradient)
TADP_EACH_ELEMENT(CHANNEL_TERM, Products)
TADP_CHANNEL_DONE(1, AddSums)
TADP_EACH_ELEMENT(WORK, Embed)
TADP_EACH_ELEMENT(WORK, EmbedGradient)
TADP_EACH_ELEMENT(WORK, PositionGradient)
TADP_EACH_ELEMENT(WORK, PosteriorSample)
TADP_EACH_ELEMENT(WORK, PosteriorSampleGradient)
TADP_EACH_ELEMENT(WORK, ChannelDropout)

TADP_EACH_ELEMENT(CHANNEL_TERM, Moments)
TADP_KERNEL(GroupStatistics)
TADP_EACH_STEP(WORK, Normalise)
TADP_EACH_ELEMENT(CHANNEL_TERM, NormaliseSlopes)
TADP_CHANNEL_DONE(2, KeepSums<2>)
TADP_WORK(AddNormSums)
TADP_WORK(GroupSlopes)
TADP_EACH_ELEMENT(WORK, NormaliseGradient)
TADP_EACH_STEP(KERNEL, LayerNorm)
TADP_EACH_ELEMENT(KERNEL, LayerNormGradient)
TADP_EACH_ELEMENT(CHANNEL_TERM, LayerNormSlopes)
TADP_EACH_ELEMENT(CHANNEL_TERM, Spread)
TADP_CHANNEL_DONE(1, StoreMean)
TADP_WORK(MoveStatistics)

TADP_EACH_WIDTH(Attention)
TADP_EACH_STEP(KERNEL, TextAttention)
TADP_EACH_ELEMENT(KERNEL, SoftmaxRows)
TADP_EACH_ELEMENT(KERNEL, AttentionRowSums)
TADP_EACH_WIDTH(AttentionQueryGradient)
TADP_EACH_WIDTH(AttentionKeyGradient)

TADP_EACH_ELEMENT(KERNEL, Conv2d)
TADP_EACH_ELEMENT(KERNEL, Conv2dInputGradient)
TADP_EACH_ELEMENT(KERNEL, Conv2dWeightGradient)
TADP_EACH_ELEMENT(CHANNEL_TERM, Values)
TADP_EACH_ELEMENT(WORK, ConvolutionEpilogue)
TADP_EACH_STEP(WORK, Unfold)

TADP_EACH_ELEMENT(WORK, ResizeBilinear)
TADP_EACH_ELEMENT(WORK, ResizeBilinearGradient)
TADP_EACH_ELEMENT(WORK, ResizeNearest)
TADP_EACH_ELEMENT(WORK, ResizeNearestGradient)
TADP_EACH_ELEMENT(WORK, Reframe)
TADP_EACH_ELEMENT(WORK, ReframeGradient)
TADP_EACH_ELEMENT(WORK, MirrorTo)
TADP_EACH_ELEMENT(WORK, MirrorGradient)
TADP_WORK(NormalisePicture)
TADP_EACH_ELEMENT(WORK, CutWindow)
TADP_EACH_ELEMENT(WORK, AddWindow)
TADP_WORK(DivideByWindows)
TADP_EACH_ELEMENT(WORK, MeanOfChannels)
TADP_EACH_ELEMENT(WORK, Decide)

TADP_PIXEL_TERM(CountLabels)
TADP_PIXEL_DONE(1, KeepSums<1>)
TADP_PIXEL_DONE(2, StoreRatio)
TADP_EACH_ELEMENT(PIXEL_TERM, CrossEntropy)
TADP_EACH_ELEMENT(WORK, CrossEntropyGradient)
TADP_EACH_ELEMENT(PIXEL_TERM, SquaredError)
TADP_EACH_ELEMENT(WORK, SquaredErrorGradient)
TADP_EACH_ELEMENT(PIXEL_TERM, AbsoluteError)
TADP_EACH_ELEMENT(WORK, AbsoluteErrorGradient)
TADP_EACH_ELEMENT(PIXEL_TERM, GaussianDivergence)
TADP_EACH_ELEMENT(WORK, GaussianDivergenceGradient)
TADP_EACH_ELEMENT(PIXEL_TERM, LogDifferences)
TADP_PIXEL_DONE(3, StoreSilog)
TADP_PIXEL_DONE(3, KeepSums<3>)
TADP_EACH_ELEMENT(WORK, SilogGradient)
TADP_EACH_ELEMENT(PIXEL_TERM, FocalLoss)
TADP_EACH_ELEMENT(WORK, FocalLossGradient)
TADP_PIXEL_TERM(CountRows)
TADP_EACH_ELEMENT(PIXEL_TERM, BinaryCrossEntropy)
TADP_EACH_ELEMENT(WORK, BinaryCrossEntropyGradient)
TADP_EACH_ELEMENT(PIXEL_TERM, RowCrossEntropy)
TADP_EACH_ELEMENT(WORK, RowCrossEntropyGradient)
TADP_EACH_ELEMENT(PIXEL_TERM, SmoothL1)
TADP_EACH_ELEMENT(WORK, SmoothL1Gradient)

TADP_WORK(AdamW)
TADP_PIXEL_TERM(Squares)
TADP_WORK(ScaleSpan)

TADP_WORK(Anchors)
TADP_EACH_ELEMENT(WORK, JoinRows)
TADP_EACH_ELEMENT(WORK, JoinRowsGradient)
TADP_WORK(DecodeBoxes)
TADP_EACH_ELEMENT(WORK, GatherRows)
TADP_EACH_ELEMENT(WORK, GatherRowsGradient)
TADP_WORK(TopRows)
TADP_WORK(ProposalCandidates)
TADP_WORK(DetectionCandidates)
TADP_WORK(OrderCandidates)
TADP_KERNEL(Suppress)
TADP_WORK(AppendBoxes)
TADP_WORK(AppendCounts)
TADP_KERNEL(BestOverlaps)
TADP_WORK(MatchBoxes)
TADP_KERNEL(CountMatches)
TADP_WORK(ChooseRows)
TADP_WORK(PickRows)
TADP_WORK(EndPicks)
TADP_WORK(TargetsOfRows)
TADP_WORK(PlaceRegions)
TADP_EACH_ELEMENT(WORK, RoiAlign)
TADP_EACH_ELEMENT(WORK, RoiAlignGradient)

}  // namespace tadp::cuda

#undef TADP_KERNEL
#undef TADP_WORK
#undef TADP_EACH_ELEMENT
#undef TADP_EACH_STEP
#undef TADP_EACH_HALF
#undef TADP_EACH_WIDTH
#undef TADP_CHANNEL_TERM
#undef TADP_CHANNEL_DONE
#undef TADP_PIXEL_TERM
#undef TADP_PIXEL_DONE
