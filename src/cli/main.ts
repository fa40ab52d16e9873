#!/usr/bin/env node
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../experiment/environment.js';
import { addExamples } from './command-facts.js';
import { addBenchCommand } from './commands/bench.js';
import { addCompareCommand } from './commands/compare.js';
import { addCompletionCommand } from './commands/completion.js';
import { addConvertCommand } from './commands/convert.js';
import { addDatasetsCommand } from './commands/datasets.js';
import { addDoctorCommand } from './commands/doctor.js';
import { addEvaluateCommand } from './commands/evaluate.js';
import { addExportCommand } from './commands/export.js';
import { addInspectCommand } from './commands/inspect.js';
import { addLaunchCommand } from './commands/launch.js';
import { addLibtorchCommand } from './commands/libtorch.js';
import { addPaperCommand } from './commands/paper.js';
import { addPredictCommand } from './commands/predict.js';
import { addPretrainCommand } from './commands/pretrain.js';
import { addPushCommand } from './commands/push.js';
import { addReportCommand } from './commands/report.js';
import { addSearchCommand } from './commands/search.js';
import { addStudyCommand } from './commands/study.js';
import { addTrainCommand } from './commands/train.js';
import { addWatchCommand } from './commands/watch.js';
import { configured } from './configuration/configure.js';
import type { Runner } from './context.js';
import {
  AlreadyReported,
  EXIT_DONE,
  EXIT_FAILED,
  exitCodeOf,
  Interrupted,
  isHelp,
  wrongUse,
} from './failure.js';
import { helpConfiguration } from './help.js';
import { Output } from './output.js';

/** By what they are for, in the order of the help. */
const COMMANDS: Readonly<Record<string, readonly ((program: Command, run: Runner) => void)[]>> = {
  Train: [addTrainCommand, addPaperCommand, addSearchCommand, addPretrainCommand, addLaunchCommand],
  'Look at runs': [addWatchCommand, addReportCommand, addCompareCommand, addStudyCommand],
  Models: [addEvaluateCommand, addPredictCommand, addExportCommand, addPushCommand],
  Data: [addInspectCommand, addConvertCommand, addDatasetsCommand],
  'This machine': [addDoctorCommand, addLibtorchCommand, addBenchCommand, addCompletionCommand],
};

/** Whoever ends a job sends one of these: a person, a scheduler, a terminal that closes. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1'] as const;

/** The command line as an object; actions go through `run`. */
export function buildProgram(run: Runner): Command {
  const program = new Command('permafrost')
    .description(
      'Fine-tune BERT-family encoders for named entity recognition, with control over which layers learn.',
    )
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    // A command may have a --version of its own.
    .enablePositionalOptions()
    // Its errors are told as all others are.
    .configureOutput({ outputError: () => {} })
    .configureHelp(helpConfiguration())
    .exitOverride();
  addExamples(program, {
    'the whole paper in small, in about two minutes': 'permafrost paper --preset demo --seeds 1',
    'one model, its six lower layers frozen':
      'permafrost train --preset demo --freeze bottom-up:6 --out out/first',
    'its answers': 'echo "Aya met Omar in Paris ." | permafrost predict --model out/first/best',
  });
  for (const [group, commands] of Object.entries(COMMANDS)) {
    program.commandsGroup(`${group}:`);
    for (const add of commands) add(program, run);
  }
  program.addHelpCommand(
    new Command('help')
      .argument('[command]')
      .description('show the help of a command, as its --help does')
      .helpGroup('This machine:'),
  );
  // Settings of the program do not reach its commands by themselves.
  for (const command of program.commands.flatMap((command) => [command, ...command.commands])) {
    command.exitOverride().optionsGroup('General:').helpOption('-h, --help', 'show this help');
  }
  return program;
}

/**
 * Runs the command line.
 *
 * @param args arguments without Node and script.
 * @returns the exit code: 0 done, 1 failed, 2 wrong use.
 */
export async function main(args: string[]): Promise<number> {
  const output = new Output({ json: args.includes('--json') });
  const controller = new AbortController();
  const interrupt = (signal: NodeJS.Signals) => {
    // Asked twice: whoever asks does not want to wait for the running step.
    if (controller.signal.aborted) process.exit(EXIT_FAILED);
    output.note(`\n${signal}: stopping after the running step. Once more stops at once.`);
    controller.abort(new Interrupted(signal));
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  let running: Command | null = null;
  const run: Runner = (action) => async (flags, command) => {
    running = command;
    const settled = await configured(flags, command, output);
    return action(settled, { output, args, signal: controller.signal });
  };
  const program = buildProgram(run);
  try {
    await program.parseAsync(args, { from: 'user' });
    return EXIT_DONE;
  } catch (error) {
    if (isHelp(error) || error instanceof AlreadyReported) return exitCodeOf(error);
    output.failure(error instanceof CommanderError ? wrongUse(error, { program, args }) : error, running);
    return exitCodeOf(error);
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

/** Whether this file is what Node was started with, also through the link that npm makes for `bin`. */
function isEntryPoint(): boolean {
  const script = process.argv[1];
  return script !== undefined && realpathSync(script) === fileURLToPath(import.meta.url);
}

if (isEntryPoint()) {
  // `permafrost … | head` closes the pipe early, which is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EIO') return;
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT_DONE);
  });
  // A terminal that is gone must not keep a training from writing its state.
  process.stderr.on('error', () => {});
  // Whoever started this process among others and is gone can ask nobody to stop any more.
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel?.unref();
  // Not process.exit(): standard output may still be on its way into a pipe.
  process.exitCode = await main(process.argv.slice(2));
}
