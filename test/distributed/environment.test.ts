import { describe, expect, it } from 'vitest';
import { placeOf } from '../../src/distributed/environment.js';
import { expandHosts } from '../../src/distributed/host-list.js';
import type { Place } from '../../src/distributed/place.js';
import { thrownBy } from '../helpers/thrown.js';

type Variables = Record<string, string>;

const MASTER = { MASTER_ADDR: '10.0.0.1', MASTER_PORT: '29400' };
const TORCHRUN = {
  ...{ ...MASTER, RANK: '5', WORLD_SIZE: '8', LOCAL_RANK: '1', LOCAL_WORLD_SIZE: '4' },
  ...{ TORCHELASTIC_RUN_ID: 'a1', TORCHELASTIC_RESTART_COUNT: '2', TORCHELASTIC_USE_AGENT_STORE: 'True' },
};
const AT = { rank: 5, size: 8, localRank: 1, localSize: 4, host: '10.0.0.1', port: 29400 };
const PYTORCHJOB = {
  ...{ ...MASTER, RANK: '1', WORLD_SIZE: '2' },
  ...{ PET_NNODES: '2', PET_NODE_RANK: '1', PET_NPROC_PER_NODE: 'auto' },
};
const TRAINJOB = {
  ...{ PET_NNODES: '3', PET_NPROC_PER_NODE: '1', PET_NODE_RANK: '2' },
  ...{ PET_MASTER_ADDR: 'run-node-0-0.run', PET_MASTER_PORT: '29400' },
};
const SLURM = {
  ...{ SLURM_JOB_ID: '4100', SLURM_STEP_ID: '1', SLURM_PROCID: '5', SLURM_NTASKS: '7', SLURM_LOCALID: '1' },
  ...{ SLURM_STEP_NODELIST: 'gpu[07-08]', SLURM_NODEID: '1', SLURM_STEP_TASKS_PER_NODE: '4,3' },
};
const without = (variables: Variables, ...names: string[]) =>
  Object.fromEntries(Object.entries(variables).filter(([name]) => !names.includes(name)));

describe('the place of a process among those that train together', () => {
  const places: [name: string, variables: Variables, place: Place][] = [
    ['torchrun', TORCHRUN, { ...AT, serves: false, prefix: 'a1/2', launcher: 'torchrun' }],
    [
      'torchrun whose agent has no store',
      { ...TORCHRUN, TORCHELASTIC_USE_AGENT_STORE: 'False' },
      { ...AT, serves: true, prefix: 'a1/2', launcher: 'torchrun' },
    ],
    [
      'permafrost launch, with an address and a secret',
      { ...TORCHRUN, PERMAFROST_LAUNCH: '1', PERMAFROST_BIND: '10.0.0.7', PERMAFROST_SECRET: 'x' },
      { ...AT, serves: false, prefix: 'a1/2', launcher: 'permafrost', bind: '10.0.0.7', secret: 'x' },
    ],
    [
      'a PyTorchJob, one process a pod',
      PYTORCHJOB,
      {
        ...{ rank: 1, size: 2, localRank: 0, localSize: 1, host: '10.0.0.1', port: 29400 },
        ...{ serves: true, prefix: '/0', launcher: 'torchrun' },
      },
    ],
    [
      'a TrainJob without torchrun',
      TRAINJOB,
      {
        ...{ rank: 2, size: 3, localRank: 0, localSize: 1, host: 'run-node-0-0.run', port: 29400 },
        ...{ serves: true, prefix: '/0', launcher: 'torchrun' },
      },
    ],
    [
      'a TrainJob with torchrun',
      { ...TRAINJOB, PET_NPROC_PER_NODE: '4', ...TORCHRUN },
      { ...AT, serves: false, prefix: 'a1/2', launcher: 'torchrun' },
    ],
    [
      'a step of Slurm, uneven over its nodes',
      SLURM,
      {
        ...{ rank: 5, size: 7, localRank: 1, localSize: 3, host: 'gpu07', port: 29500 + 5 },
        ...{ serves: true, prefix: '4100.1/0', launcher: 'slurm' },
      },
    ],
    [
      'a step of Slurm whose script says where to meet',
      { ...SLURM, ...MASTER, SLURM_RESTART_COUNT: '3' },
      {
        ...{ rank: 5, size: 7, localRank: 1, localSize: 3, host: '10.0.0.1', port: 29400 },
        ...{ serves: true, prefix: '4100.1/3', launcher: 'slurm' },
      },
    ],
  ];
  it.each(places)('%s', (_, variables, place) => {
    expect(placeOf(variables)).toEqual(place);
  });

  const alone: [name: string, variables: Variables][] = [
    ['nothing', {}],
    ['an address by chance', MASTER],
    ['a task of a Slurm array', { ...SLURM, SLURM_ARRAY_TASK_ID: '3', SLURM_NTASKS: '1', SLURM_PROCID: '0' }],
    ['the script of a Slurm job, which srun did not start', { ...SLURM, SLURM_STEP_ID: '' }],
    ['the same where Slurm names its step', { ...SLURM, SLURM_STEP_ID: 'batch' }],
    ['a shell in an allocation', { SLURM_JOB_ID: '4100', SLURM_NTASKS: '7' }],
  ];
  it.each(alone)('is none with %s', (_, variables) => {
    expect(placeOf(variables)).toBeNull();
  });

  const wrong: [name: string, variables: Variables, names: RegExp][] = [
    [
      'part of the variables',
      without(TORCHRUN, 'MASTER_PORT', 'WORLD_SIZE'),
      /RANK.*lacks WORLD_SIZE and MASTER_PORT/,
    ],
    ['a size without a rank', without(TORCHRUN, 'RANK'), /has WORLD_SIZE and lacks RANK/],
    ['a rank that is no number', { ...TORCHRUN, RANK: 'one' }, /RANK.*whole number of at least 0, got "one"/],
    ['no ranks', { ...TORCHRUN, RANK: '0', WORLD_SIZE: '0' }, /WORLD_SIZE.*at least 1, got "0"/],
    ['a rank beyond the size', { ...TORCHRUN, RANK: '8' }, /RANK 8 is not below WORLD_SIZE 8/],
    [
      'a local rank beyond its host',
      { ...TORCHRUN, LOCAL_RANK: '4' },
      /LOCAL_RANK 4 is not below LOCAL_WORLD_SIZE 4/,
    ],
    ['more on a host than in all', { ...TORCHRUN, LOCAL_WORLD_SIZE: '9' }, /LOCAL_WORLD_SIZE.*WORLD_SIZE 8/],
    [
      'a port that there is not',
      { ...TORCHRUN, MASTER_PORT: '70000' },
      /MASTER_PORT.*below 65536, got "70000"/,
    ],
    [
      'processes that nobody starts',
      { ...PYTORCHJOB, PET_NPROC_PER_NODE: '4' },
      /PET_NPROC_PER_NODE.*LOCAL_RANK.*torchrun/,
    ],
    ['a TrainJob of several a node', { ...TRAINJOB, PET_NPROC_PER_NODE: 'auto' }, /auto processes.*torchrun/],
    ['a TrainJob without an address', without(TRAINJOB, 'PET_MASTER_ADDR'), /lacks PET_MASTER_ADDR/],
    [
      'a step without its hosts',
      without(SLURM, 'SLURM_STEP_NODELIST'),
      /SLURM_PROCID.*lacks SLURM_STEP_NODELIST/,
    ],
    [
      'a step with hosts that cannot be read',
      { ...SLURM, SLURM_STEP_NODELIST: 'gpu[7' },
      /SLURM_STEP_NODELIST.*"gpu\[7"/,
    ],
    ['a task beyond the step', { ...SLURM, SLURM_PROCID: '7' }, /SLURM_PROCID 7 is not below SLURM_NTASKS 7/],
    ['a step without its job', without(SLURM, 'SLURM_JOB_ID'), /SLURM_JOB_ID.*got none/],
  ];
  it.each(wrong)('is refused with %s', async (_, variables, names) => {
    const error = await thrownBy(() => placeOf(variables));
    expect(error).toMatchObject({ code: 'INVALID_OPTION', details: { option: 'distributed' } });
    expect(error.message).toMatch(names);
  });
});

describe('a list of hosts as Slurm writes it', () => {
  it.each([
    ['node1', ['node1']],
    ['a.example.org,b-2', ['a.example.org', 'b-2']],
    ['gpu[07-08,11]', ['gpu07', 'gpu08', 'gpu11']],
    ['n[1-2]-ib,login', ['n1-ib', 'n2-ib', 'login']],
    ['r[1-2]n[3-4]', ['r1n3', 'r1n4', 'r2n3', 'r2n4']],
  ])('%s', (text, hosts) => {
    expect(expandHosts(text)).toEqual(hosts);
  });
  it.each(['', 'a,,b', 'a[1', 'a]1', 'a[x]', 'a b', 'a[1-2', ',a'])('is not %j', (text) => {
    expect(expandHosts(text)).toBeNull();
  });
});
