# permafrost_cpu_levels(<target> <source>...)
#
# Compiles each source once for every instruction level into <target>, with CPU_LEVEL defined as the bare word
# baseline, avx2, avx512 or avx512bf16 (for namespaces), and gives <target> PERMAFROST_HAS_AVX2, PERMAFROST_HAS_AVX512
# and PERMAFROST_HAS_AVX512BF16 where those levels exist. The last one has the products of 8 bits (VNNI), too: few
# processors have bf16 without them. Such a source must not include headers with inline functions that other sources
# use: the linker keeps one copy of each, and the kept copy may hold instructions that the machine lacks.
function(permafrost_cpu_levels target)
  set(levels baseline)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
    list(APPEND levels avx2 avx512 avx512bf16)
    target_compile_definitions(${target} PUBLIC PERMAFROST_HAS_AVX2=1 PERMAFROST_HAS_AVX512=1
                               PERMAFROST_HAS_AVX512BF16=1)
  endif()
  set(flags_baseline "")
  set(flags_avx2 -mavx2 -mfma)
  set(flags_avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx2 -mfma)
  set(flags_avx512bf16 ${flags_avx512} -mavx512bf16 -mavx512vnni)
  foreach(level IN LISTS levels)
    set(objects ${target}_${level})
    add_library(${objects} OBJECT ${ARGN})
    permafrost_compile_options(${objects})
    set_target_properties(${objects} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_include_directories(${objects} PRIVATE "${CMAKE_SOURCE_DIR}/native")
    target_compile_definitions(${objects} PRIVATE CPU_LEVEL=${level})
    # A square root that could set errno, or a comparison that could trap, keeps a loop from becoming vectors.
    target_compile_options(${objects} PRIVATE ${flags_${level}} -fno-math-errno -fno-trapping-math)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:${objects}>)
  endforeach()
endfunction()
