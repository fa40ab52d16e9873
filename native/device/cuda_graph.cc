#include "device/cuda_graph.h"

#include "core/error.h"

#if PERMAFROST_CUDA_HEADERS
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#endif

namespace permafrost {

#if PERMAFROST_CUDA_HEADERS

namespace {

auto statistics_of(at::Device device) { return c10::cuda::CUDACachingAllocator::getDeviceStats(device.index()); }

size_t reserved_bytes() {
  const auto index = c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).getDevice().index();
  return static_cast<size_t>(statistics_of(at::Device(at::kCUDA, index)).reserved_bytes[0].current);
}

}  // namespace

struct CudaGraph::State {
  at::cuda::CUDAGraph graph;
  size_t bytes = 0;
};

std::string CudaGraph::why_unavailable() { return at::globalContext().hasCUDA() ? "" : "there is no card"; }

GraphPool CudaGraph::make_pool() {
  const auto pool = at::cuda::graph_pool_handle();
  return {static_cast<uint64_t>(pool.first), static_cast<uint64_t>(pool.second)};
}

CudaGraph::CudaGraph(const GraphPool& pool, const std::function<void()>& body) : state_(std::make_unique<State>()) {
  const size_t before = reserved_bytes();
  // Thread-local: what Node's other threads do on the device meanwhile must not spoil the recording.
  state_->graph.capture_begin({pool.high, pool.low}, cudaStreamCaptureModeThreadLocal);
  try {
    body();
  } catch (...) {
    const std::exception_ptr failure = std::current_exception();
    try {
      state_->graph.capture_end();
    } catch (const std::exception&) {
      // The recording is spoilt in any case; what spoilt it is thrown on.
    }
    std::rethrow_exception(failure);
  }
  state_->graph.capture_end();
  const size_t after = reserved_bytes();
  state_->bytes = after > before ? after - before : 0;
}

void CudaGraph::launch() { state_->graph.replay(); }

void release_device_memory(at::Device device) {
  if (device.is_cuda()) c10::cuda::CUDACachingAllocator::emptyCache();
}

DeviceMemory device_memory(at::Device device) {
  if (!device.is_cuda()) return {};
  const auto statistics = statistics_of(device);
  return {static_cast<size_t>(statistics.allocated_bytes[0].current),
          static_cast<size_t>(statistics.allocated_bytes[0].peak)};
}

#else

struct CudaGraph::State {
  size_t bytes = 0;
};

std::string CudaGraph::why_unavailable() {
  return "the addon was built without CUDA's headers: set CUDA_HOME to a CUDA toolkit and build it again";
}

GraphPool CudaGraph::make_pool() { return {}; }

CudaGraph::CudaGraph(const GraphPool&, const std::function<void()>&) {
  fail(ErrorCode::INTERNAL, "Graphs cannot be recorded: ", why_unavailable(), ".");
}

void CudaGraph::launch() {}

void release_device_memory(at::Device) {}

DeviceMemory device_memory(at::Device) { return {}; }

#endif

CudaGraph::~CudaGraph() = default;

size_t CudaGraph::bytes() const { return state_->bytes; }

}  // namespace permafrost
