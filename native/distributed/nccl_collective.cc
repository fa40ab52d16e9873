#include "distributed/nccl_collective.h"

#include <algorithm>
#include <cstring>
#include <future>
#include <thread>

#include "core/interruption.h"

namespace permafrost {

namespace {

constexpr auto kTurn = std::chrono::microseconds(20);

int nccl_type(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return kNcclFloat;
    case at::kDouble:
      return kNcclDouble;
    case at::kLong:
      return kNcclInt64;
    default:
      fail(ErrorCode::INTERNAL, "Tensors of this type are not summed: ", c10::toString(tensor.scalar_type()), ".");
  }
}

// The sum of this rank's partial sums of one tensor, in the order of their leaves; undefined where it has none.
at::Tensor own_sum(const std::vector<PartialSum>& partials, size_t tensor) {
  at::Tensor sum;
  for (const PartialSum& partial : partials) sum = sum.defined() ? sum + partial.tensors[tensor] : partial.tensors[tensor];
  return sum;
}

}  // namespace

CardStream::CardStream(at::Device device) : device_(device) {
  if (device.is_cpu()) return;
  const c10::impl::VirtualGuardImpl card(device.type());
  stream_ = card.getStreamFromGlobalPool(device, /*isHighPriority=*/true);
  check(kHasStreamHandles, ErrorCode::DEVICE_UNAVAILABLE, "Several ranks on cards need libtorch 2.4 or later; this is ",
        libtorch_build_version(), ".");
  handle_ = native_handle(*stream_);
}

void CardStream::follow_caller() {
  if (!stream_) return;
  c10::Event reached(device_.type());
  reached.record(c10::impl::VirtualGuardImpl(device_.type()).getStream(device_));
  reached.block(*stream_);
}

void CardStream::wait(const std::function<void()>& turn) const {
  if (!stream_) return;
  c10::Event done(device_.type());
  done.record(*stream_);
  while (!done.query()) {
    turn();
    std::this_thread::sleep_for(kTurn);
  }
}

NcclCollective::NcclCollective(std::shared_ptr<HostCollective> host, at::Device device)
    : host_(std::move(host)), device_(device), nccl_(nccl()), stream_(device) {
  NcclUniqueId id{};
  if (rank() == 0) nccl_.check(nccl_.get_unique_id(&id), "make an id");
  const Bytes first = host_->gather(Bytes(id.bytes, id.bytes + sizeof id.bytes))[0];
  check(first.size() == sizeof id.bytes, ErrorCode::INTERNAL, "NCCL's id has ", first.size(), " bytes.");
  std::memcpy(id.bytes, first.data(), sizeof id.bytes);
  // It waits for all ranks without end, so one that fails meanwhile has to be heard of here; the thread is left behind then.
  auto made = std::make_shared<std::promise<std::pair<int, NcclComm>>>();
  std::future<std::pair<int, NcclComm>> future = made->get_future();
  std::thread([made, id, device, &nccl = nccl_, size = size(), rank = rank()] {
    if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).setDevice(device);
    NcclComm comm = nullptr;
    const int result = nccl.comm_init_rank(&comm, size, id, rank);
    made->set_value({result, comm});
  }).detach();
  while (future.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready) {
    interruption_point();
    host_->watch().throw_if_failed();
  }
  const auto [result, comm] = future.get();
  nccl_.check(result, "join the ranks");
  comm_ = comm;
}

NcclCollective::~NcclCollective() {
  if (comm_ != nullptr) nccl_.comm_destroy(comm_);
}

void NcclCollective::run(const char* doing, const std::function<void(NcclStream)>& calls) {
  const uint64_t sequence = host_->begin_exchange();
  check(comm_ != nullptr, ErrorCode::INTERNAL, "NCCL was given up.");
  const double timeout = host_->timeout();
  const auto begun = Clock::now();
  try {
    stream_.follow_caller();
    nccl_.check(nccl_.group_start(), doing);
    calls(stream_.handle());
    nccl_.check(nccl_.group_end(), doing);
    stream_.wait([&] {
      const double waited = std::chrono::duration<double>(Clock::now() - begun).count();
      interruption_point_waiting(waited);
      host_->watch().throw_if_failed(sequence, doing);
      int error = kNcclSuccess;
      nccl_.check(nccl_.comm_get_async_error(comm_, &error), doing);
      nccl_.check(error, doing);
      if (waited < timeout) return;
      std::vector<int> others;
      for (int other = 0; other < size(); ++other) {
        if (other != rank()) others.push_back(other);
      }
      const Member& late = host_->members()[static_cast<size_t>(host_->watch().suspect(others))];
      host_->watch().fail_group(ErrorCode::RANK_FAILED, describe(late) + " was waited for in vain: ranks were to " + doing + ".");
    });
    host_->complete_exchange(sequence);
  } catch (const std::exception& error) {
    host_->watch().give_up(describe(host_->members()[static_cast<size_t>(rank())]) + " gave up: " + error.what());
    // Ends kernels that wait for ranks that are gone.
    nccl_.comm_abort(std::exchange(comm_, nullptr));
    throw;
  }
}

void NcclCollective::sum(const std::vector<PartialSum>& partials, int64_t leaves, const std::vector<at::Tensor>& sums) {
  std::vector<at::Tensor> host_sums;
  std::vector<PartialSum> host_partials, card_partials = partials;
  std::sort(card_partials.begin(), card_partials.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const PartialSum& partial : partials) host_partials.push_back({partial.first, partial.count, {}});
  for (size_t i = 0; i < sums.size(); ++i) {
    if (is_on_card(sums[i])) continue;
    host_sums.push_back(sums[i]);
    for (size_t p = 0; p < partials.size(); ++p) host_partials[p].tensors.push_back(partials[p].tensors[i]);
  }
  if (!host_sums.empty()) host_->sum(host_partials, leaves, host_sums);
  if (host_sums.size() == sums.size()) return;
  std::vector<at::Tensor> own(sums.size());
  for (size_t i = 0; i < sums.size(); ++i) {
    if (!is_on_card(sums[i])) continue;
    own[i] = own_sum(card_partials, i);
    if (!own[i].defined()) own[i] = sums[i].zero_();
    bytes_sent_ += 2 * static_cast<int64_t>(sums[i].nbytes()) * (size() - 1) / size();
  }
  run("sum tensors on cards", [&](NcclStream stream) {
    for (size_t i = 0; i < sums.size(); ++i) {
      if (!own[i].defined()) continue;
      nccl_.check(nccl_.all_reduce(own[i].data_ptr(), sums[i].data_ptr(), static_cast<size_t>(sums[i].numel()),
                                   nccl_type(sums[i]), kNcclSum, comm_, stream),
                  "sum a tensor");
    }
  });
}

void NcclCollective::broadcast(const std::vector<at::Tensor>& tensors, int from) {
  std::vector<at::Tensor> on_host, on_card;
  for (const at::Tensor& tensor : tensors) (is_on_card(tensor) ? on_card : on_host).push_back(tensor);
  if (!on_host.empty()) host_->broadcast(on_host, from);
  if (on_card.empty()) return;
  run("spread tensors on cards", [&](NcclStream stream) {
    for (const at::Tensor& tensor : on_card) {
      nccl_.check(nccl_.broadcast(tensor.data_ptr(), tensor.data_ptr(), tensor.nbytes(), kNcclUint8, from, comm_, stream),
                  "spread a tensor");
    }
  });
  if (rank() == from) {
    for (const at::Tensor& tensor : on_card) bytes_sent_ += static_cast<int64_t>(tensor.nbytes());
  }
}

}  // namespace permafrost
