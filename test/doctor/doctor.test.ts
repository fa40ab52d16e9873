import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { selfTest } from '../../src/doctor/self-test.js';

function doctor(args: string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [resolve('dist/cli/main.js'), 'doctor', ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

describe('permafrost doctor', () => {
  it('ends with 0 and one JSON object on its last line where the engine works', () => {
    const { status, stdout } = doctor(['--json']);
    const report = JSON.parse(stdout.trim().split('\n').at(-1)!);
    expect(status, stdout).toBe(0);
    expect(report).toMatchObject({ type: 'doctor', ok: true, problem: null });
    expect(report.libtorch.loadedPath).toContain('torch_cpu');
    expect(typeof report.libtorch.cxx11Abi).toBe('boolean');
    expect(report.libtorch.blas.name).not.toBeNull();
    expect(report.selfTests[0]).toMatchObject({ device: 'cpu', ok: true });
    expect(report.findings.engine).toBe(report.findings.permafrost);
  });

  it('ends with 1 and says once what to do where the addon is not there', () => {
    const missing = { PERMAFROST_ADDON: '/nowhere/permafrost.node' };
    const { status, stdout } = doctor(['--json'], missing);
    expect(status).toBe(1);
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(1);
    const report = JSON.parse(lines[0]!);
    expect(report).toMatchObject({ ok: false, libtorch: null, problem: { code: 'ADDON_MISSING' } });
    const faults = report.checks.filter((check: { status: string }) => check.status === 'fault');
    expect(faults).toEqual([
      expect.objectContaining({ name: 'engine', remedy: expect.stringContaining('LIBTORCH') }),
    ]);

    const text = doctor([], missing);
    expect(text.status).toBe(1);
    expect(text.stdout).toContain('X engine');
    expect(text.stdout).toContain('→ Install libtorch');
    expect(text.stderr).toBe('');
  });
});

describe('selfTest', () => {
  it('passes on the CPU, whose own kernels agree with libtorch', async () => {
    const { ok, difference } = await selfTest('cpu');
    expect(ok).toBe(true);
    expect(difference).toBeLessThan(1e-4);
  });

  it('reports a device that is not there instead of throwing', async () => {
    const result = await selfTest('cuda:99');
    expect(result).toMatchObject({ ok: false, difference: null, problem: { code: 'DEVICE_UNAVAILABLE' } });
  });
});
