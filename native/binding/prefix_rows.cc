// Rows of the frozen prefix for JavaScript.
#include "binding/decode.h"
#include "binding/encode.h"
#include "binding/engine_object.h"
#include "binding/prefix_store_object.h"
#include "binding/promise_job.h"
#include "core/error.h"
#include "model/prefix_rows.h"

namespace permafrost {

Napi::Value EngineObject::prefix_rows(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto batch = std::make_shared<const PackedBatch>(decode_batch(info[0]));
    const std::shared_ptr<PrefixStore> store = PrefixStoreObject::unwrap(info[1]);
    check(store != nullptr, ErrorCode::INVALID_OPTION, "store: expected a PrefixStore.");
    return promise_job(
        info.Env(), engine_, [=](EngineState& state) { return permafrost::prefix_rows(model_of(state), *batch, *store); },
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
          permafrost::keep_prefix_rows(model_of(state), *batch, *store, *bytes);
          return Nothing{};
        },
        undefined);
  });
}

}  // namespace permafrost
