import { PermafrostError } from '../errors/error.js';
import { expandHosts } from './host-list.js';
import type { Place } from './place.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that whoever starts ranks sets for them, as `torchrun` does. */
const TORCHRUN = ['RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'] as const;
const TRAINJOB = ['PET_NODE_RANK', 'PET_NNODES', 'PET_MASTER_ADDR', 'PET_MASTER_PORT'] as const;
const SLURM = ['SLURM_PROCID', 'SLURM_NTASKS', 'SLURM_STEP_NODELIST'] as const;

/** Ports that Slurm's jobs take one each of, by their ids. */
const SLURM_PORTS = { first: 29_500, count: 4_096 };

/**
 * The place of this process among those that train together, as whoever started it says in the environment; null where
 * nobody does.
 *
 * - `torchrun --no-python`, and Kubeflow's PyTorchJob, which sets its variables: `RANK`, `WORLD_SIZE`, `MASTER_ADDR`,
 *   `MASTER_PORT`, with `LOCAL_RANK` and `LOCAL_WORLD_SIZE`. `TORCHELASTIC_USE_AGENT_STORE` says that the agent has the
 *   store, `TORCHELASTIC_RUN_ID` and `TORCHELASTIC_RESTART_COUNT` tell apart what meets there.
 * - Kubeflow's TrainJob, which gives its nodes what torchrun is started with: `PET_NODE_RANK`, `PET_NNODES`,
 *   `PET_MASTER_ADDR`, `PET_MASTER_PORT`. With one process a node a rank needs no torchrun.
 * - `permafrost launch`, which sets the same, and `PERMAFROST_LAUNCH`.
 * - Slurm's `srun`: `SLURM_PROCID`, `SLURM_NTASKS`, `SLURM_LOCALID`; the store is on the first host of
 *   `SLURM_STEP_NODELIST`, at a port that follows from `SLURM_JOB_ID`. `MASTER_ADDR` and `MASTER_PORT` come first.
 *   One task, and a job whose script runs by itself without `srun`, have no place: the tasks of an array work alone.
 *
 * `PERMAFROST_BIND` names the address that this rank listens at, `PERMAFROST_SECRET` what all ranks know.
 *
 * @throws INVALID_OPTION where variables are wrong, missing beside others, or contradict each other; it names them
 */
export function placeOf(environment: Environment = process.env): Place | null {
  const place = torchrunPlace(environment) ?? trainJobPlace(environment) ?? slurmPlace(environment);
  if (place === null) return null;
  const { PERMAFROST_BIND: bind, PERMAFROST_SECRET: secret } = environment;
  return { ...place, ...(bind && { bind }), ...(secret && { secret }) };
}

function torchrunPlace(environment: Environment): Place | null {
  const given = TORCHRUN.find((name) => environment[name])!;
  // Of an address and a port alone a machine may tell by chance, or a job's script for its srun.
  if (!environment.RANK && !environment.WORLD_SIZE) return null;
  requireAll(environment, TORCHRUN, given);
  const [rank, size] = [numberOf(environment, 'RANK'), numberOf(environment, 'WORLD_SIZE', 1)];
  // Kubeflow counts processes that only torchrun starts, which would say which of them this is; `auto` counts none.
  if (!environment.LOCAL_RANK && /^\d/.test(environment.PET_NPROC_PER_NODE ?? ''))
    requireOneANode(environment);
  const localSize = optionalNumber(environment, 'LOCAL_WORLD_SIZE', 1) ?? 1;
  const localRank = optionalNumber(environment, 'LOCAL_RANK') ?? rank % localSize;
  requireBelow('RANK', rank, 'WORLD_SIZE', size);
  if (environment.LOCAL_WORLD_SIZE) requireBelow('LOCAL_RANK', localRank, 'LOCAL_WORLD_SIZE', localSize);
  requireBelow('LOCAL_WORLD_SIZE', localSize - 1, 'WORLD_SIZE', size);
  const agent = environment.TORCHELASTIC_USE_AGENT_STORE;
  const run = environment.TORCHELASTIC_RUN_ID ?? '';
  const restart = optionalNumber(environment, 'TORCHELASTIC_RESTART_COUNT') ?? 0;
  return {
    ...{ rank, size, localRank, localSize },
    host: environment.MASTER_ADDR!,
    port: portOf(environment, 'MASTER_PORT'),
    serves: !/^(1|true)$/i.test(agent ?? ''),
    prefix: `${run}/${restart}`,
    launcher: environment.PERMAFROST_LAUNCH ? 'permafrost' : 'torchrun',
  };
}

function trainJobPlace(environment: Environment): Place | null {
  if (!environment.PET_NODE_RANK) return null;
  requireAll(environment, TRAINJOB, 'PET_NODE_RANK');
  requireOneANode(environment);
  const [rank, size] = [numberOf(environment, 'PET_NODE_RANK'), numberOf(environment, 'PET_NNODES', 1)];
  requireBelow('PET_NODE_RANK', rank, 'PET_NNODES', size);
  return {
    ...{ rank, size, localRank: 0, localSize: 1 },
    host: environment.PET_MASTER_ADDR!,
    port: portOf(environment, 'PET_MASTER_PORT'),
    serves: true,
    prefix: `${environment.PET_RDZV_ID ?? ''}/0`,
    launcher: 'torchrun',
  };
}

function requireOneANode(environment: Environment): void {
  const processes = environment.PET_NPROC_PER_NODE ?? '1';
  if (processes === '1') return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`distributed\`: the environment asks for ${processes} processes a node (PET_NPROC_PER_NODE), and LOCAL_RANK does not say ` +
      'which of them this is. Give each node one process, or let it run `torchrun --no-python permafrost …`, which starts them.',
    { option: 'distributed', variables: ['PET_NPROC_PER_NODE', 'LOCAL_RANK'] },
  );
}

function slurmPlace(environment: Environment): Place | null {
  // A script of sbatch has these of its job; only srun makes a step of it, with one process a task.
  const step = environment.SLURM_STEP_ID;
  if (!step || step === 'batch' || !environment.SLURM_PROCID || environment.SLURM_NTASKS === '1') return null;
  requireAll(environment, SLURM, 'SLURM_PROCID');
  const [rank, size] = [numberOf(environment, 'SLURM_PROCID'), numberOf(environment, 'SLURM_NTASKS', 1)];
  const localRank = numberOf(environment, 'SLURM_LOCALID');
  requireBelow('SLURM_PROCID', rank, 'SLURM_NTASKS', size);
  const hosts = expandHosts(environment.SLURM_STEP_NODELIST!);
  if (hosts === null) {
    throw invalid('SLURM_STEP_NODELIST', environment, 'a list of hosts such as node[01-04],login');
  }
  const localSize = tasksHere(environment, hosts.length) ?? Math.ceil(size / hosts.length);
  requireBelow('SLURM_LOCALID', localRank, 'tasks of this node', localSize);
  const job = numberOf(environment, 'SLURM_JOB_ID');
  return {
    ...{ rank, size, localRank, localSize },
    host: environment.MASTER_ADDR || hosts[0]!,
    port: environment.MASTER_PORT
      ? portOf(environment, 'MASTER_PORT')
      : SLURM_PORTS.first + ((job + numberOf(environment, 'SLURM_STEP_ID')) % SLURM_PORTS.count),
    serves: true,
    prefix: `${job}.${step}/${optionalNumber(environment, 'SLURM_RESTART_COUNT') ?? 0}`,
    launcher: 'slurm',
  };
}

/** Tasks of this node by `SLURM_STEP_TASKS_PER_NODE`, such as `4(x2),3`; null where that does not tell. */
function tasksHere(environment: Environment, nodes: number): number | null {
  const node = optionalNumber(environment, 'SLURM_NODEID');
  const text = environment.SLURM_STEP_TASKS_PER_NODE ?? '';
  if (node === undefined || text === '') return null;
  const counts = text.split(',').flatMap((item) => {
    const [, tasks, times = '1'] = /^(\d+)(?:\(x(\d+)\))?$/.exec(item) ?? [];
    return Array.from({ length: Number(times) }, () => Number(tasks));
  });
  return counts.length === nodes ? (counts[node] ?? null) : null;
}

function requireAll(environment: Environment, names: readonly string[], given: string): void {
  const missing = names.filter((name) => !environment[name]);
  if (missing.length === 0) return;
  throw new PermafrostError(
    'INVALID_OPTION',
    `\`distributed\`: the environment has ${given} and lacks ${missing.join(' and ')}. Whoever starts the ranks sets all of ` +
      `${names.join(', ')}, as torchrun, srun and permafrost launch do. Take ${given} away to train alone.`,
    { option: 'distributed', given, missing },
  );
}

function optionalNumber(environment: Environment, name: string, least = 0): number | undefined {
  return environment[name] ? numberOf(environment, name, least) : undefined;
}

function numberOf(environment: Environment, name: string, least = 0): number {
  const value = environment[name] ?? '';
  if (/^\d{1,9}$/.test(value) && Number(value) >= least) return Number(value);
  throw invalid(name, environment, `a whole number of at least ${least}`);
}

function portOf(environment: Environment, name: string): number {
  const port = numberOf(environment, name, 1);
  if (port < 65_536) return port;
  throw invalid(name, environment, 'a port below 65536');
}

function invalid(name: string, environment: Environment, expected: string): PermafrostError {
  const got = environment[name];
  return new PermafrostError(
    'INVALID_OPTION',
    `\`distributed\`: the variable ${name} of the environment: expected ${expected}, got ${got === undefined ? 'none' : `"${got}"`}.`,
    { option: 'distributed', variable: name, got },
  );
}

function requireBelow(name: string, value: number, limitName: string, limit: number): void {
  if (value < limit) return;
  throw contradiction(`${name} ${value} is not below ${limitName} ${limit}`, [name, limitName]);
}

function contradiction(what: string, variables: string[]): PermafrostError {
  return new PermafrostError(
    'INVALID_OPTION',
    `\`distributed\`: the environment contradicts itself: ${what}.`,
    {
      option: 'distributed',
      variables,
    },
  );
}
