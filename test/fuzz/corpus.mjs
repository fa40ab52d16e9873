import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('./corpus/', import.meta.url);
const fixtures = new URL('../fixtures/', import.meta.url);

/** The samples of a target, by the names of their files. */
export function samples(target) {
  const folder = new URL(`${target}/`, root);
  return readdirSync(folder)
    .sort()
    .map((name) => readFileSync(new URL(name, folder)));
}

export function jsonSamples(target) {
  return samples(target).map((bytes) => JSON.parse(bytes.toString('utf8')));
}

/** A file of the tests' fixtures. */
export function fixture(path) {
  return readFileSync(new URL(path, fixtures));
}

export const FAMILIES = [
  'bert-gelu-new',
  'camembert',
  'deberta-v2',
  'distilbert',
  'electra',
  'roberta',
  'xlm-roberta',
];
