import { describe, expect, it } from 'vitest';
import { groupOf, sumByGroup } from '../../scripts/gpu-check/kernel-groups.mjs';

const CSV = `==PROF== Connected to process 12
"ID","Process ID","Kernel Name","gpu__time_duration.sum"
"","","","usecond"
"0","12","void flash_fwd_kernel<Flash_fwd_kernel_traits<64, 128>>(Params)","10.5"
"1","12","sm90_xmma_gemm_bf16bf16_f32_tn_n","1,020.0"
"2","12","nvjet_hsh_128x64","30"
"3","12","attention_backward<64>","4"
"4","12","void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor>","0.5"
`;

describe('the profile of gpu-check', () => {
  it('sums durations of kernels by what they are for, the largest first', () => {
    expect(sumByGroup(CSV)).toEqual([
      { group: 'products', microseconds: 1050, kernels: 2 },
      { group: 'attention', microseconds: 14.5, kernels: 2 },
      { group: 'copies and casts', microseconds: 0.5, kernels: 1 },
    ]);
  });

  it('reads the unit, and refuses what has no durations', () => {
    expect(sumByGroup(CSV.replace('usecond', 'msecond'))[2]).toMatchObject({ microseconds: 500 });
    expect(() => sumByGroup('==ERROR== no permission\n')).toThrow('ncu printed no durations');
  });

  it.each([
    [
      'void at::native::(anonymous namespace)::multi_tensor_apply_kernel<FusedAdamMathFunctor>',
      'update and norm',
    ],
    ['layer_norm_backward<768>', 'LayerNorm'],
    ['void at::native::vectorized_elementwise_kernel<GeluCUDAKernelImpl>', 'activation'],
    ['fused_dropout_kernel_vec', 'dropout'],
    ['column_sums', 'column sums and losses'],
    ['direct_copy_kernel_cuda', 'copies and casts'],
    ['something_else', 'other'],
  ])('takes %s for %s', (kernel, group) => {
    expect(groupOf(kernel)).toBe(group);
  });
});
