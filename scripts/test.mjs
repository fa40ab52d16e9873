// Every check of the project, one after the other; a failing one does not keep the others from running.
// The last line of the output is "N passed, N failed, N skipped".
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { installBrowser } from './browser.mjs';
import { PROJECT_ROOT } from './toolchain.mjs';

const require = createRequire(import.meta.url);
const REPORTS = join(PROJECT_ROOT, 'build');
const VITEST_REPORT = join(REPORTS, 'vitest.json');
const CTEST_REPORT = join(REPORTS, 'ctest.xml');

function binary(name, program) {
  const manifest = require.resolve(`${name}/package.json`);
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[program]);
}

/** Runs a check with its output shown and returns whether it succeeded. */
function succeeds(title, args) {
  console.log(`\n== ${title}`);
  return spawnSync(process.execPath, args, { cwd: PROJECT_ROOT, stdio: 'inherit' }).status === 0;
}

/** A check without tests of its own counts as one. */
function single(title, args) {
  return succeeds(title, args) ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 };
}

/** The counts that a check left in its report; a check that fails without saying where counts as one failure. */
function reported(succeeded, readCounts) {
  let counts = { passed: 0, failed: 0, skipped: 0 };
  try {
    counts = readCounts();
  } catch (error) {
    console.error(`No counts: ${error.message}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  return !succeeded && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
}

function ctestCounts() {
  const report = readFileSync(CTEST_REPORT, 'utf8');
  // The test program ends its output with its own counts, one for each C++ test.
  const own = [...report.matchAll(/^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?/gm)].at(-1);
  if (own) return { passed: Number(own[1]), failed: Number(own[2]), skipped: Number(own[3] ?? 0) };
  const attribute = (name) => Number(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`, 's').exec(report)[1]);
  const failed = attribute('failures');
  const skipped = attribute('skipped') + attribute('disabled');
  return { passed: attribute('tests') - failed - skipped, failed, skipped };
}

function vitestCounts() {
  const report = JSON.parse(readFileSync(VITEST_REPORT, 'utf8'));
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

mkdirSync(REPORTS, { recursive: true });
installBrowser();
for (const report of [VITEST_REPORT, CTEST_REPORT]) rmSync(report, { force: true });

const checks = [
  single('format and lint', [binary('@biomejs/biome', 'biome'), 'check', '--error-on-warnings']),
  single('types', [binary('typescript', 'tsc'), '-p', 'tsconfig.test.json']),
  reported(succeeds('C++ tests', ['scripts/build-native.mjs', '--tests']), ctestCounts),
  reported(
    succeeds('tests', [
      binary('vitest', 'vitest'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${VITEST_REPORT}`,
    ]),
    vitestCounts,
  ),
  single('package', ['scripts/pack-test.mjs']),
];

const total = { passed: 0, failed: 0, skipped: 0 };
for (const check of checks) for (const key of Object.keys(total)) total[key] += check[key];
console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = total.failed > 0 ? 1 : 0;
