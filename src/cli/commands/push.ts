import type { Command } from 'commander';
import type { PushedState } from '../../hub/push.js';
import { pushModel, pushShape } from '../../model/push-model.js';
import { drawTable } from '../../report/terminal.js';
import { byteProgress } from '../byte-progress.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { megabytes } from '../download-progress.js';
import { addJsonOption } from '../options.js';
import { addShape, type Flags, optionsOf } from '../schema-options.js';

export function addPushCommand(program: Command, run: Runner): void {
  const command = program
    .command('push')
    .description('upload a model with its card to the Hugging Face Hub, as the token in HF_TOKEN may')
    .requiredOption('--model <dir>', 'directory of the model, such as best/ of a training')
    .requiredOption('--to <name>', 'owner/name of the repository, made where it is not there');
  addExamples(command, {
    'what would be sent': 'permafrost push --model out/first/best --to me/ner --dry-run',
    "to a repository of one's own":
      'HF_TOKEN=hf_... permafrost push --model out/first/best --to me/ner --private',
  });
  addJsonOption(addShape(command, pushShape)).action(run(push));
}

const STATES: Readonly<Record<PushedState, string>> = {
  new: 'new',
  changed: 'changed',
  known: 'on the Hub under another name',
  unchanged: 'there already',
  ignored: 'left out by the rules of the repository',
};

async function push(flags: Flags, { output, signal }: CommandContext): Promise<void> {
  const { model, to } = flags as { model: string; to: string };
  const progress = byteProgress(output);
  const onProgress = ({
    path,
    sentBytes,
    totalBytes,
  }: {
    path: string;
    sentBytes: number;
    totalBytes: number;
  }) => progress.update(path, sentBytes, totalBytes);
  const pushed = await pushModel({ model, to, onProgress, signal, ...optionsOf(pushShape, flags) }).finally(
    progress.stop,
  );
  if (!pushed.files.some(({ path }) => path === 'README.md')) {
    output.note(`${model} has no README.md: the model goes without a card. "permafrost train" writes one.`);
  }
  const rows = pushed.files.map(({ path, bytes, state }) => [path, megabytes(bytes), STATES[state]]);
  output.print(drawTable({ head: [`${pushed.repo}@${pushed.revision}`, 'size', ''], rows }));
  output.print(
    pushed.commit === null
      ? flags.dryRun === true
        ? 'Nothing was sent.'
        : `All of it is there: ${pushed.url}`
      : `Commit ${pushed.commit}: ${pushed.url}`,
  );
  output.json({ type: 'push', ...pushed });
}
