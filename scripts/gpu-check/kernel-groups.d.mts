export interface KernelGroup {
  group: string;
  microseconds: number;
  kernels: number;
}
export function groupOf(kernel: string): string;
export function sumByGroup(csv: string): KernelGroup[];
