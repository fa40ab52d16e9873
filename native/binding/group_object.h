// A rank's group as JavaScript holds it, to be handed to the trainers that sum in it.
#pragma once

#include <memory>

#include "binding/napi_setup.h"
#include "distributed/group.h"
#include "engine/engine.h"

namespace permafrost {

// What such an object stands for: the group, and the thread on which its calls wait for other ranks.
struct GroupHandle {
  Group group;
  std::shared_ptr<Engine> thread;
};

// joinGroup(options): a promise of the object, once all ranks are there.
Napi::Value join_group_value(const Napi::CallbackInfo& info);

// The collective behind a value, or null for undefined. Throws INVALID_OPTION for anything else.
std::shared_ptr<Collective> collective_of(const Napi::Value& value);

}  // namespace permafrost
