import type { Command } from 'commander';
import { type Check, diagnose } from '../../doctor/diagnose.js';
import { gatherFacts } from '../../doctor/facts.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { AlreadyReported } from '../failure.js';
import { addJsonOption } from '../options.js';
import type { Flags } from '../schema-options.js';

export function addDoctorCommand(program: Command, run: Runner): void {
  const command = program.command('doctor').description('say what is installed, what works, and what to do');
  addExamples(command, {
    'for people': 'permafrost doctor',
    'for a program': 'permafrost doctor --json',
  });
  addJsonOption(command).action(run(doctor));
}

async function doctor(_flags: Flags, { output }: CommandContext): Promise<void> {
  const facts = await gatherFacts();
  const checks = diagnose(facts);
  for (const check of checks) output.print(checkText(check));
  const faults = checks.filter(({ status }) => status === 'fault');
  output.json({
    type: 'doctor',
    ok: faults.length === 0,
    findings: Object.fromEntries(checks.map(({ name, value }) => [name, value])),
    checks,
    libtorch: facts.engine?.libtorch ?? null,
    driver: facts.driver,
    toolchain: facts.toolchain,
    selfTests: facts.selfTests,
    problem: facts.engineError && { code: facts.engineError.code, message: facts.engineError.message },
  });
  if (faults.length > 0) {
    output.print(
      `${faults.length === 1 ? 'One fault' : `${faults.length} faults`}; each has its remedy above.`,
    );
    throw new AlreadyReported();
  }
  output.print('The engine works.');
}

function checkText({ name, value, status, remedy }: Check): string {
  const mark = status === 'ok' ? '  ' : status === 'warning' ? '! ' : 'X ';
  const line = `${mark}${name.padEnd(22)} ${value}`;
  return remedy === null ? line : `${line}\n  ${''.padEnd(22)} → ${remedy}`;
}
