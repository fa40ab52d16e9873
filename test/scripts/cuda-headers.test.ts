import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MODULE = resolve('cmake/CudaHeaders.cmake');
const root = mkdtempSync(join(tmpdir(), 'permafrost-cuda-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** What a wheel of CUDA's runtime brings: headers that include one of another wheel. */
function writeRuntime(directory: string, version: number): void {
  write(join(directory, 'cuda.h'));
  write(join(directory, 'cuda_runtime.h'), '#include "crt/host_config.h"\n#include "cuda_runtime_api.h"\n');
  write(join(directory, 'cuda_runtime_api.h'), `#define CUDART_VERSION  ${version}\n`);
}

/** The places that each search is given, in order. */
const SEARCHES = {
  complete: ['complete/include'],
  bare: ['bare/nvidia/cu13/include'],
  fallback: ['nowhere', 'bare/nvidia/cu13/include', 'complete/include'],
  apart: ['apart/nvidia/cuda_runtime/include'],
  older: ['older/nvidia/cuda_runtime/include'],
  broken: ['broken/include'],
  none: ['nowhere', 'empty'],
};

const found: Record<string, { directories: string; problem: string }> = {};
beforeAll(() => {
  writeRuntime('complete/include', 13_000);
  write('complete/include/crt/host_config.h');
  writeRuntime('bare/nvidia/cu13/include', 13_000);
  writeRuntime('apart/nvidia/cuda_runtime/include', 12_060);
  write('apart/nvidia/cuda_nvcc/include/crt/host_config.h');
  writeRuntime('older/nvidia/cuda_runtime/include', 12_060);
  writeRuntime('broken/include', 13_000);
  write('broken/include/crt/host_config.h', '#error this compiler is too old\n');
  mkdirSync(join(root, 'empty'));
  const searches = Object.entries(SEARCHES).map(([name, places]) => {
    const paths = places.map((place) => `"${join(root, place)}"`).join(' ');
    return `find_cuda_headers(${paths})\nmessage("<${name}|\${CUDA_INCLUDE_DIRS}|\${CUDA_HEADERS_PROBLEM}>")`;
  });
  write(
    'project/CMakeLists.txt',
    `cmake_minimum_required(VERSION 3.21)\nproject(search LANGUAGES CXX)\ninclude("${MODULE}")\n${searches.join('\n')}\n`,
  );
  const project = join(root, 'project');
  const { stdout, stderr, status } = spawnSync('cmake', ['-S', project, '-B', join(project, 'build')], {
    encoding: 'utf8',
  });
  expect(status, stdout + stderr).toBe(0);
  for (const [, name, directories, problem] of stderr.matchAll(/<(\w+)\|(.*?)\|(.*?)>/gs)) {
    found[name!] = { directories: directories!, problem: problem! };
  }
});

describe("the search for CUDA's headers", () => {
  it('takes the directory whose headers compile', () => {
    expect(found.complete).toEqual({ directories: join(root, 'complete/include'), problem: '' });
  });

  it('does not take a wheel of the runtime alone, and names what is missing and the wheel that has it', () => {
    expect(found.bare!.directories).toBe('');
    expect(found.bare!.problem).toContain(join(root, 'bare/nvidia/cu13/include'));
    expect(found.bare!.problem).toContain('crt/host_config.h is missing');
    expect(found.bare!.problem).toContain('pip install "nvidia-cuda-crt==13.0.*"');
    expect(found.older!.problem).toContain('pip install "nvidia-cuda-nvcc-cu12==12.6.*"');
  });

  it('goes on to the next place', () => {
    expect(found.fallback).toEqual({ directories: join(root, 'complete/include'), problem: '' });
  });

  it('puts together what wheels of CUDA 12 have in directories of their own', () => {
    const nvidia = join(root, 'apart/nvidia');
    const directories = `${nvidia}/cuda_runtime/include;${nvidia}/cuda_nvcc/include`;
    expect(found.apart).toEqual({ directories, problem: '' });
  });

  it('tells what the compiler says of headers that it does not take', () => {
    expect(found.broken!.directories).toBe('');
    expect(found.broken!.problem).toContain('do not compile');
    expect(found.broken!.problem).toContain('this compiler is too old');
  });

  it('says so where there are none', () => {
    expect(found.none).toEqual({
      directories: '',
      problem: "CUDA's headers (cuda_runtime_api.h) were not found.",
    });
  });
});
