import { join } from 'node:path';
import type { RunRecord } from '../experiment/run-record.js';
import { writeFileAtomic } from '../io/atomic-write.js';
import { modelCard, recordCardFacts } from '../report/model-card.js';
import { commandText } from './command-text.js';
import type { Flags } from './schema-options.js';

/** Writes the card of a run's best weights beside them. @param args of the command that trained them */
export async function writeCard(
  directory: string,
  record: RunRecord,
  args: readonly string[],
  flags: Flags = {},
): Promise<void> {
  const { language, license, baseModel } = flags as Record<string, string | undefined>;
  const facts = recordCardFacts(record, {
    command: commandText(args),
    ...(language !== undefined && { language }),
    ...(license !== undefined && { license }),
    ...(baseModel !== undefined && { hubModel: baseModel }),
  });
  await writeFileAtomic(join(directory, 'best', 'README.md'), modelCard(facts));
}
