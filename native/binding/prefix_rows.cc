// Outputs of the frozen prefix as bytes, by which ranks give each other what one of them has computed.
#include "binding/decode.h"
#include "binding/encode.h"
#include "binding/engine_object.h"
#include "binding/prefix_store_object.h"
#include "binding/promise_job.h"
#include "core/error.h"

namespace permafrost {

Napi::Value EngineObject::prefix_rows(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<const PackedBatch>(decode_batch(info[0]));
    const std::shared_ptr<PrefixStore> store = PrefixStoreObject::unwrap(info[1]);
    check(store != nullptr, ErrorCode::INVALID_OPTION, "store: expected a PrefixStore.");
    return promise_job(
        info.Env(), engine_, [=](EngineState& state) { return model_of(state).prefix_rows(*batch, *store); },
        bytes_value);
  });
}

Napi::Value EngineObject::keep_prefix_rows(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<const PackedBatch>(decode_batch(info[0]));
    const std::shared_ptr<PrefixStore> store = PrefixStoreObject::unwrap(info[1]);
    check(store != nullptr, ErrorCode::INVALID_OPTION, "store: expected a PrefixStore.");
    auto bytes = std::make_shared<std::vector<uint8_t>>(decode_bytes(info[2], "rows"));
    return promise_job(
        info.Env(), engine_,
        [=](EngineState& state) {
          model_of(state).keep_prefix_rows(*batch, *store, *bytes);
          return Nothing{};
        },
        undefined);
  });
}

}  // namespace permafrost
