import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NativeCardEnergy, NativeNvidiaDriver } from '../../src/native/addon.js';

// Stand-ins for the two libraries of NVIDIA's driver: two cards, of which only the second has an energy counter.
const FAKE_CUDA = `
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
int cuInit(unsigned flags) { return getenv("FAKE_NO_CARD") ? 100 : (int)flags; }
int cuDriverGetVersion(int* version) { *version = 12040; return 0; }
int cuDeviceGetCount(int* count) { *count = 2; return 0; }
int cuDeviceGet(int* device, int ordinal) { *device = ordinal + 10; return ordinal < 2 ? 0 : 101; }
int cuDeviceGetName(char* name, int size, int device) { return snprintf(name, size, "Fake %d", device - 10) < 0; }
int cuDeviceGetAttribute(int* value, int attribute, int device) {
  *value = attribute == 75 ? 8 : attribute == 76 ? device - 10 : -1;
  return 0;
}
int cuDeviceTotalMem_v2(size_t* bytes, int device) { *bytes = (size_t)(device - 9) << 34; return 0; }
int cuDeviceGetPCIBusId(char* id, int size, int device) { return snprintf(id, size, "0000:%02d:00.0", device) < 0; }
`;
const FAKE_NVML = `
#include <stdio.h>
#include <string.h>
static int first, second;
int nvmlInit_v2(void) { return 0; }
int nvmlSystemGetDriverVersion(char* text, unsigned size) { return snprintf(text, size, "550.54.14") < 0; }
int nvmlDeviceGetHandleByPciBusId_v2(const char* id, void** handle) {
  *handle = strcmp(id, "0000:11:00.0") == 0 ? (void*)&second : (void*)&first;
  return 0;
}
int nvmlDeviceGetTotalEnergyConsumption(void* handle, unsigned long long* millijoules) {
  if (handle == &first) return 3;
  *millijoules = 5000000000123ULL;
  return 0;
}
int nvmlDeviceGetPowerUsage(void* handle, unsigned* milliwatts) { *milliwatts = handle == &first ? 61500 : 250; return 0; }
`;

interface Answer {
  driver: NativeNvidiaDriver;
  energy: NativeCardEnergy[];
}

let folder: string;

function compile(name: string, source: string): void {
  writeFileSync(join(folder, `${name}.c`), source);
  const library = join(folder, `${name}.so.1`);
  const compiler = process.env.CC ?? 'cc';
  const { status, stderr } = spawnSync(
    compiler,
    ['-shared', '-fPIC', '-o', library, join(folder, `${name}.c`)],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(stderr);
}

/** Asks the addon in a process that finds the given libraries, because what is loaded once stays loaded. */
function ask(env: NodeJS.ProcessEnv): Answer {
  const loader = JSON.stringify(`file://${resolve('dist/native/addon.js')}`);
  const source = `const engine = (await import(${loader})).addon();
    console.log(JSON.stringify({ driver: engine.nvidiaDriver(), energy: [0, 1, 2].map((i) => engine.cardEnergy(i)) }));`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  expect(result.stderr).toBe('');
  return JSON.parse(result.stdout) as Answer;
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'permafrost-driver-'));
  compile('libcuda', FAKE_CUDA);
  compile('libnvidia-ml', FAKE_NVML);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.runIf(process.platform === 'linux')("NVIDIA's driver", () => {
  it('tells its version, the CUDA that it serves and its cards', () => {
    expect(ask({ LD_LIBRARY_PATH: folder }).driver).toEqual({
      version: '550.54.14',
      cudaVersion: 12040,
      cards: [
        { name: 'Fake 0', busId: '0000:10:00.0', computeCapability: '8.0', memoryBytes: 2 ** 34 },
        { name: 'Fake 1', busId: '0000:11:00.0', computeCapability: '8.1', memoryBytes: 2 ** 35 },
      ],
      problem: null,
    });
  });

  it('counts the energy of the card that the number of the device stands for', () => {
    expect(ask({ LD_LIBRARY_PATH: folder }).energy).toEqual([
      { joules: null, watts: 61.5 },
      { joules: 5_000_000_000.123, watts: 0.25 },
      { joules: null, watts: null },
    ]);
  });

  it('says why where the driver has no card', () => {
    const { driver, energy } = ask({ LD_LIBRARY_PATH: folder, FAKE_NO_CARD: '1' });
    expect(driver).toMatchObject({
      cudaVersion: 12040,
      cards: [],
      problem: expect.stringContaining('cuInit'),
    });
    expect(energy[1]).toEqual({ joules: null, watts: null });
  });
});
