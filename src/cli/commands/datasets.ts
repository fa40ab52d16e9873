import type { Command } from 'commander';
import { KNOWN_DATASETS } from '../../data/hub/known-datasets.js';
import { drawTable } from '../../report/terminal.js';
import { addExamples } from '../command-facts.js';
import type { CommandContext, Runner } from '../context.js';
import { addJsonOption } from '../options.js';
import type { Flags } from '../schema-options.js';

export function addDatasetsCommand(program: Command, run: Runner): void {
  const command = program
    .command('datasets')
    .description('the datasets that --dataset knows by a short name: where they live, types, licence');
  addExamples(command, {
    'for people': 'permafrost datasets',
  });
  addJsonOption(command).action(run(listDatasets));
}

async function listDatasets(_flags: Flags, { output }: CommandContext): Promise<void> {
  for (const dataset of KNOWN_DATASETS) output.json({ type: 'dataset', ...dataset });
  const rows = KNOWN_DATASETS.map(({ name, repo, revision, config, types, licence, access }) => [
    name,
    revision === undefined ? repo : `${repo}@${revision}`,
    config || '-',
    types.length > 8 ? `${types.length} types` : types.join(', '),
    access === undefined ? licence : `${licence}; ${access}`,
  ]);
  output.print(drawTable({ head: ['name', 'on the Hub', 'part', 'types', 'licence'], rows }));
  output.print('Others: --dataset owner/name[@revision], with parquet, JSON lines or CoNLL columns.');
}
