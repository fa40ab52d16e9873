// The only place that includes napi.h.
#pragma once

#ifndef NAPI_CPP_EXCEPTIONS
#define NAPI_CPP_EXCEPTIONS
#endif
#define NODE_ADDON_API_DISABLE_DEPRECATED
// In an environment that is ending, as a worker that is terminated, any call may fail, and what it throws can reach no
// JavaScript any more: it is forgotten then, rather than ending the process.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS

#include <napi.h>
