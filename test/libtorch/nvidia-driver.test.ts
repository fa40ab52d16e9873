import { describe, expect, it } from 'vitest';
import { cudaOfDriver, probeNvidiaDriver } from '../../src/libtorch/nvidia-driver.js';

const MODULE = `NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.183.01  Release Build  (dvs-builder)
GCC version:  gcc version 12.2.0`;

describe('probeNvidiaDriver', () => {
  it('reads cards, driver and CUDA version from nvidia-smi', () => {
    const driver = probeNvidiaDriver({
      run: (_, args) =>
        args.length > 0
          ? 'NVIDIA H100 PCIe, 9.0, 575.57.08\nNVIDIA A10, 8.6, 575.57.08\n'
          : '| NVIDIA-SMI 575.57.08   Driver Version: 575.57.08   CUDA Version: 12.9 |',
      read: () => null,
    });
    expect(driver).toEqual({
      version: '575.57.08',
      cudaVersion: '12.9',
      cards: [
        { name: 'NVIDIA H100 PCIe', computeCapability: '9.0' },
        { name: 'NVIDIA A10', computeCapability: '8.6' },
      ],
      problem: null,
    });
  });

  it('falls back on the file of the kernel module, and knows what CUDA that driver serves', () => {
    const driver = probeNvidiaDriver({ run: () => null, read: () => MODULE });
    expect(driver).toMatchObject({ version: '535.183.01', cudaVersion: '12.2', cards: [] });
    expect(driver.problem).toContain('nvidia-smi');
  });

  it('says so where there is no driver', () => {
    const driver = probeNvidiaDriver({ run: () => null, read: () => null });
    expect(driver).toEqual({
      version: null,
      cudaVersion: null,
      cards: [],
      problem: 'no NVIDIA driver was found',
    });
  });
});

describe('cudaOfDriver', () => {
  it.each([
    ['580.65.06', '13.0'],
    ['579.99', '12.9'],
    ['525.60.13', '12.0'],
    ['999.1', '13.1'],
    ['440.33', null],
  ])('%s serves CUDA %s', (version, cuda) => {
    expect(cudaOfDriver(version)).toBe(cuda);
  });
});
