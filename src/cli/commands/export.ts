import type { Command } from 'commander';
import { exportOnnx, exportShape } from '../../export/export-onnx.js';
import { isChain } from '../../model/heads.js';
import { drawTable } from '../../report/terminal.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { megabytes, withDownloads } from '../download-progress.js';
import { addJsonOption } from '../options.js';
import { addShape, type Flags, optionsOf } from '../schema-options.js';

export function addExportCommand(program: Command, run: Runner): void {
  const command = program
    .command('export')
    .description('write a trained model as an ONNX graph, as ONNX Runtime and transformers.js open it')
    .requiredOption('--model <dir>', 'fine-tuned model: a directory, or owner/name of the Hub')
    .requiredOption(
      '--onnx <dir>',
      "directory to write to: onnx/ with configuration and tokenizer; the model's own is allowed",
    );
  addExamples(command, {
    'a graph beside the weights': 'permafrost export --model out/first/best --onnx out/first/best',
  });
  addJsonOption(addShape(command, exportShape)).action(run(exportCommand));
}

async function exportCommand(flags: Flags, context: CommandContext): Promise<void> {
  const { output, signal } = context;
  const { model, onnx: out } = flags as { model: string; onnx: string };
  const written = await withDownloads(context, (hub) =>
    exportOnnx({ model, out, hub, signal, ...optionsOf(exportShape, flags) }),
  );
  const rows = written.files.map(({ path, bytes }) => [path, megabytes(bytes)]);
  output.print(drawTable({ head: [written.directory, 'size'], rows }));
  output.print(`ONNX opset ${written.opset}; inputs ${written.inputs.join(', ')}; output logits`);
  const chain = written.left.filter(isChain);
  if (chain.length > 0) {
    output.note(
      `The graph gives each word's own scores: what the chain has learnt (${chain.join(', ')}) is not in it.`,
    );
  }
  output.json({ type: 'export', ...written });
}
