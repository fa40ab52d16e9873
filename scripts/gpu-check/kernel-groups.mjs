// Kernels by what they are for, from their names: a step's time by groups.
const GROUPS = [
  ['attention', /flash|fmha|attention|dot_do_o|convert_dq/i],
  ['products', /gemm|xmma|cutlass|nvjet|cublas|splitK|gemv/i],
  ['update and norm', /adamw?|FusedAdam|multi_tensor|lpnorm|foreach|update|gradient_norm/i],
  ['LayerNorm', /layer_?norm|GammaBeta|rowwise|normed/i],
  ['activation', /gelu|activat|relu|threshold/i],
  ['dropout', /dropout/i],
  ['column sums and losses', /reduce|column_sum|softmax|gather|scatter|norm_kernel/i],
  ['embeddings', /embed|index/i],
  ['copies and casts', /copy|cast|cat_|CatArray|fill|memcpy|memset/i],
  ['other elementwise', /elementwise/i],
];

export const groupOf = (kernel) => GROUPS.find(([, names]) => names.test(kernel))?.[0] ?? 'other';

/**
 * Sums what `ncu --csv --page raw` printed by group: microseconds and kernels, the largest first.
 */
export function sumByGroup(csv) {
  const lines = csv.split('\n').filter((line) => line.startsWith('"'));
  const cells = (line) => [...line.matchAll(/"((?:[^"]|"")*)"/g)].map(([, cell]) => cell);
  const head = cells(lines[0] ?? '');
  const [id, name] = [head.indexOf('ID'), head.indexOf('Kernel Name')];
  const duration = head.findIndex((column) => column.startsWith('gpu__time_duration'));
  if (Math.min(id, name, duration) < 0) throw new Error('ncu printed no durations');
  // The row behind the head has the units.
  const unit =
    { nsecond: 1e-3, ns: 1e-3, usecond: 1, us: 1, msecond: 1e3, ms: 1e3 }[cells(lines[1])[duration]] ?? 1e-3;
  const groups = new Map();
  for (const line of lines.slice(1)) {
    const row = cells(line);
    if (!/^\d+$/.test(row[id])) continue;
    const group = groupOf(row[name]);
    const { microseconds, kernels } = groups.get(group) ?? { microseconds: 0, kernels: 0 };
    groups.set(group, {
      microseconds: microseconds + Number(row[duration].replaceAll(',', '')) * unit,
      kernels: kernels + 1,
    });
  }
  return [...groups]
    .map(([group, sums]) => ({ group, ...sums }))
    .sort((one, other) => other.microseconds - one.microseconds);
}
