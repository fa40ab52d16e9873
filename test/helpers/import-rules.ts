import { posix } from 'node:path';

/** Every layer may use these. */
const BOTTOM = ['contract', 'errors', 'io'];
const PURE = ['freezing', 'batching', 'text', 'data', 'hub'];
const ENGINE = ['model', 'distributed', 'native'];

/** What the package's entries may show. */
const EVERYTHING = [
  'report',
  'export',
  'experiment',
  'training',
  'energy',
  'evaluation',
  'inference',
  ...ENGINE,
  ...PURE,
  ...BOTTOM,
];

/** For each layer (directory of src, or file beside them) the layers below it that it may import. */
export const MAY_IMPORT: Record<string, string[]> = {
  index: EVERYTHING,
  entries: EVERYTHING,
  cli: [
    'index',
    'bench',
    'doctor',
    'energy',
    'libtorch',
    'report',
    'export',
    'experiment',
    'training',
    'evaluation',
    'inference',
    ...ENGINE,
    ...PURE,
    ...BOTTOM,
  ],
  doctor: ['libtorch', 'energy', 'experiment', ...ENGINE, ...PURE, ...BOTTOM],
  libtorch: BOTTOM,
  bench: ['experiment', ...ENGINE, ...PURE, ...BOTTOM],
  report: ['experiment', 'training', 'energy', 'evaluation', ...PURE, ...BOTTOM],
  experiment: ['training', 'energy', 'evaluation', 'inference', ...ENGINE, ...PURE, ...BOTTOM],
  energy: ['native', ...BOTTOM],
  training: ['evaluation', 'energy', ...ENGINE, ...PURE, ...BOTTOM],
  inference: ['evaluation', ...ENGINE, ...PURE, ...BOTTOM],
  export: [...ENGINE, ...PURE, ...BOTTOM],
  evaluation: [...ENGINE, ...PURE, ...BOTTOM],
  model: ['distributed', 'native', ...PURE, ...BOTTOM],
  distributed: ['native', ...BOTTOM],
  native: BOTTOM,
  freezing: ['text', 'data', ...BOTTOM],
  batching: ['text', 'data', ...BOTTOM],
  text: ['data', 'hub', ...BOTTOM],
  data: ['hub', ...BOTTOM],
  hub: BOTTOM,
  io: ['contract', 'errors'],
  errors: ['contract'],
  contract: [],
};

/** Plain JavaScript that works before anything is compiled, and that the compiled program uses too. */
const SCRIPTS = ['find-libtorch', 'package-manager', 'prebuilt', 'toolchain'].map(
  (name) => `../scripts/${name}.mjs`,
);

interface Import {
  target: string;
  /** Erased by the compiler, so it can make no cycle at run time. */
  isType: boolean;
  /** Evaluated when called, so it can make no cycle while modules load. */
  isDynamic: boolean;
}

const STATEMENT = /^[ \t]*(?:import|export)\s+(type\s+)?(?:[\w*${}\s,]+?\s+from\s*)?['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g;

function importsOf(source: string): Import[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const statements = [...code.matchAll(STATEMENT)].map(([, type, target]) => ({
    target: target!,
    isType: type !== undefined,
    isDynamic: false,
  }));
  const dynamic = [...code.matchAll(DYNAMIC)].map(([, target]) => ({
    target: target!,
    isType: false,
    isDynamic: true,
  }));
  return [...statements, ...dynamic];
}

function layerOf(path: string): string {
  const [first] = path.split('/');
  return first!.replace(/\.ts$/, '');
}

/**
 * Checks who imports whom.
 *
 * @param files source text by path relative to src, with `/` as separator
 * @returns one sentence for each upward import, unknown layer, import from outside of src, and cycle
 */
export function checkImports(files: ReadonlyMap<string, string>): string[] {
  const violations: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [path, source] of files) {
    const layer = layerOf(path);
    const allowed = MAY_IMPORT[layer];
    if (!allowed) violations.push(`${path} lies in ${layer}, which is no layer`);
    const edges: string[] = [];
    graph.set(path, edges);
    for (const { target, isType, isDynamic } of importsOf(source)) {
      if (!target.startsWith('.')) continue;
      const resolved = posix.normalize(posix.join(posix.dirname(path), target)).replace(/\.js$/, '.ts');
      if (SCRIPTS.includes(resolved)) continue;
      if (resolved.startsWith('..')) {
        violations.push(`${path} imports ${target} from outside of src`);
        continue;
      }
      const targetLayer = layerOf(resolved);
      if (targetLayer !== layer && !allowed?.includes(targetLayer)) {
        violations.push(`${path} (${layer}) imports ${resolved} (${targetLayer})`);
      }
      if (!isType && !isDynamic) edges.push(resolved);
    }
  }
  return [...violations, ...cyclesOf(graph)];
}

/** One sentence for each cycle that a depth-first search meets. */
function cyclesOf(graph: ReadonlyMap<string, string[]>): string[] {
  const cycles: string[] = [];
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    if (finished.has(path)) return;
    const start = trail.indexOf(path);
    if (start >= 0) {
      cycles.push(`cycle: ${[...trail.slice(start), path].join(' → ')}`);
      return;
    }
    trail.push(path);
    for (const next of graph.get(path) ?? []) visit(next);
    trail.pop();
    finished.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return cycles;
}
