#include "device/cuda_graph.h"

#include "core/error.h"

#if PERMAFROST_CUDA_HEADERS
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDACachingAllocator.h>
#if PERMAFROST_LIBTORCH_AT_LEAST(2, 9)
#include <ATen/core/CachingHostAllocator.h>
#endif
#endif

namespace permafrost {

#if PERMAFROST_CUDA_HEADERS

namespace {

namespace allocator = c10::cuda::CUDACachingAllocator;

using Pool = decltype(at::cuda::graph_pool_handle());

auto statistics_of(at::Device device) { return allocator::getDeviceStats(device.index()); }

size_t reserved_bytes(at::Device device) {
  return static_cast<size_t>(statistics_of(device).reserved_bytes[0].current);
}

// A state that is in the midst of a recording draws no more numbers outside of one. Later versions of libtorch keep
// that by graph, and forget it with the graph.
template <typename State>
auto end_recording_of(State& state, int) -> decltype(state.capturing_, void()) {
  state.capturing_ = false;
}
template <typename State>
void end_recording_of(State&, long) {}

// The allocator of page-locked memory takes part in recordings since 2.9 or 2.10.
template <typename Allocator>
auto end_pool_of(Allocator* host, const Pool& pool, int) -> decltype(host->end_allocate_to_pool(pool), void()) {
  host->end_allocate_to_pool(pool);
}
template <typename Allocator>
void end_pool_of(Allocator*, const Pool&, long) {}

// A graph whose recording may go wrong: libtorch's own, where the driver refuses to end it, leaves allocators that go on
// asking it, and a generator that draws no more.
class Graph : public at::cuda::CUDAGraph {
 public:
  void record(const Pool& pool, const std::function<void()>& body) {
    try {
      // Thread-local: what Node's other threads do on the device meanwhile must not spoil the recording.
      capture_begin(pool, cudaStreamCaptureModeThreadLocal);
      body();
    } catch (...) {
      const std::exception_ptr failure = std::current_exception();
      try {
        capture_end();
      } catch (const std::exception&) {
        // The recording is spoilt in any case; what spoilt it is thrown on.
        clean_up();
      }
      std::rethrow_exception(failure);
    }
    try {
      launches_ = count_launches();
      capture_end();
    } catch (...) {
      clean_up();
      throw;
    }
  }

  size_t launches() const { return launches_; }

 private:
  // Of what is being recorded; 0 where CUDA does not say.
  size_t count_launches() const {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    cudaGraph_t recorded = nullptr;
    size_t count = 0;
#if CUDART_VERSION >= 13000
    const auto found = cudaStreamGetCaptureInfo(capture_stream_, &status, nullptr, &recorded, nullptr, nullptr, nullptr);
#else
    const auto found = cudaStreamGetCaptureInfo_v2(capture_stream_, &status, nullptr, &recorded, nullptr, nullptr);
#endif
    const bool is_known = found == cudaSuccess && status == cudaStreamCaptureStatusActive && recorded != nullptr;
    return is_known && cudaGraphGetNodes(recorded, nullptr, &count) == cudaSuccess ? count : 0;
  }

  // What a capture_end that threw has left. Where it ended well all of this was done, and is done by reset().
  void clean_up() {
    if (capture_ended_) return;
    try {
      allocator::endAllocateToPool(capture_dev_, mempool_id_);
      allocator::releasePool(capture_dev_, mempool_id_);
    } catch (const std::exception&) {
      // It had ended that before it threw.
    }
#if PERMAFROST_LIBTORCH_AT_LEAST(2, 9)
    try {
      end_pool_of(at::getHostAllocator(at::kCUDA), mempool_id_, 0);
    } catch (const std::exception&) {
      // Likewise.
    }
#endif
    for (auto& entry : captured_generator_states_) end_recording_of(*entry.first, 0);
  }

  size_t launches_ = 0;
};

class RecordedGraph : public RecordedStep {
 public:
  RecordedGraph(at::Device device, const Pool& pool, const std::function<void()>& body) {
    const size_t before = reserved_bytes(device);
    graph_.record(pool, body);
    const size_t after = reserved_bytes(device);
    bytes_ = after > before ? after - before : 0;
  }
  void launch() override { graph_.replay(); }
  size_t bytes() const override { return bytes_; }
  size_t launches() const override { return graph_.launches(); }

 private:
  Graph graph_;
  size_t bytes_ = 0;
};

class CudaGraphs : public GraphRecorder {
 public:
  explicit CudaGraphs(at::Device device) : device_(device), pool_(at::cuda::graph_pool_handle()) {}

  std::unique_ptr<RecordedStep> record(const std::function<void()>& body) override {
    // What steps that ran as they are have left behind would stay beside the graphs' own memory.
    if (!is_emptied_) release_device_memory(device_);
    is_emptied_ = true;
    try {
      return std::make_unique<RecordedGraph>(device_, pool_, body);
    } catch (const c10::Error& error) {
      throw RecordingFailed(error.what_without_backtrace());
    } catch (const Error&) {
      throw;
    } catch (const std::runtime_error& error) {
      // The driver's, at a launch of a kernel of our own.
      throw RecordingFailed(error.what());
    }
  }

  void reset() override {
    pool_ = at::cuda::graph_pool_handle();
    is_emptied_ = false;
  }

 private:
  const at::Device device_;
  Pool pool_;
  bool is_emptied_ = false;
};

}  // namespace

std::string why_no_cuda_graphs() { return at::globalContext().hasCUDA() ? "" : "there is no card"; }

std::shared_ptr<GraphRecorder> record_cuda_graphs(at::Device device) { return std::make_shared<CudaGraphs>(device); }

void release_device_memory(at::Device device) {
  if (device.is_cuda()) allocator::emptyCache();
}

DeviceMemory device_memory(at::Device device) {
  if (!device.is_cuda()) return {};
  const auto statistics = statistics_of(device);
  return {static_cast<size_t>(statistics.allocated_bytes[0].current),
          static_cast<size_t>(statistics.allocated_bytes[0].peak)};
}

#else

std::string why_no_cuda_graphs() {
  return "the addon was built without CUDA's headers: set CUDA_HOME to a CUDA toolkit and build it again";
}

std::shared_ptr<GraphRecorder> record_cuda_graphs(at::Device) {
  fail(ErrorCode::INTERNAL, "Graphs cannot be recorded: ", why_no_cuda_graphs(), ".");
}

void release_device_memory(at::Device) {}

DeviceMemory device_memory(at::Device) { return {}; }

#endif

}  // namespace permafrost
