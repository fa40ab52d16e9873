# Sources by target, relative to native/. Listed one by one, so that a forgotten file is noticed.
set(PERMAFROST_CORE_SOURCES
  bench/gemm_floor.cc
  core/blas.cc
  core/error.cc
  core/workspace.cc
  device/device.cc
  device/nvidia_driver.cc
  engine/engine.cc
  freezing/apply_plan.cc
  freezing/prefix_store.cc
  freezing/weight_digests.cc
  model/architecture.cc
  model/batch.cc
  model/config.cc
  model/embeddings.cc
  model/encoder.cc
  model/head.cc
  model/initialise.cc
  model/layer.cc
  model/masked_lm_head.cc
  model/model.cc
  model/parameters.cc
  model/stored_prefix.cc
  model/token_head.cc
  ops/cpu_kernels_select.cc
  ops/fused_cpu_ops.cc
  ops/make_ops.cc
  ops/plain_ops.cc
  optim/optimizer.cc
  train/trainer.cc
  weights/convert.cc)

# Compiled once for each level of the instruction set.
set(PERMAFROST_CPU_KERNEL_SOURCES
  ops/cpu_kernels.cc)

set(PERMAFROST_BINDING_SOURCES
  binding/addon.cc
  binding/decode.cc
  binding/describe_libraries.cc
  binding/engine_object.cc
  binding/environment.cc
  binding/error_to_js.cc
  binding/prefix_store_object.cc)

set(PERMAFROST_TEST_SOURCES
  test/main.cc
  test/gemm_floor_test.cc
  test/model_test.cc
  test/ops_test.cc
  test/prefix_store_test.cc)
