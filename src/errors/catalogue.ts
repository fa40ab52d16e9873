import type { ErrorCode } from './error.js';

/** What an error code means to whom it happens. */
export interface CatalogueEntry {
  meaning: string;
  remedy: string;
}

/** Every code with its meaning and what to do; `docs/errors.md` is made from it. */
export const ERROR_CATALOGUE: Readonly<Record<ErrorCode, CatalogueEntry>> = {
  INVALID_OPTION: {
    meaning: 'An option has a wrong type or value, contradicts another one, or does not exist.',
    remedy:
      'Correct the option that the message names; it also says what was expected, and what was likely meant.',
  },
  INVALID_BATCH: {
    meaning: 'A batch is empty, its borders do not end at its tokens, or an id or label is out of range.',
    remedy: 'Correct what the message names: the sequence, the position and the range that was expected.',
  },
  INVALID_PLAN: {
    meaning:
      'A freezing strategy cannot be read, names layers that the model does not have, or leaves nothing to train.',
    remedy: 'Take one of the notations that the message lists, with layers that the model has.',
  },
  DATA_FORMAT: {
    meaning: 'A file or archive is not in the form that it should have, or is damaged.',
    remedy: 'Correct the line that the message names, name the columns or keys, or fetch the file again.',
  },
  WEIGHTS_FORMAT: {
    meaning:
      'A weights file is damaged or cut, of another form than its name says, asks to run code, or is a Git LFS pointer.',
    remedy: 'Fetch or export the checkpoint again, as safetensors where that can be had.',
  },
  WEIGHTS_MISMATCH: {
    meaning:
      'A checkpoint lacks a tensor, such as the head that predicts, or has one of another shape than its configuration ' +
      'or its tokenizer needs.',
    remedy:
      'Take weights, configuration and tokenizer from one checkpoint; the message names the tensor and both shapes. ' +
      'A head that is missing is learnt: train the model first.',
  },
  UNSUPPORTED_MODEL: {
    meaning: 'The architecture, or a setting of it, is not one that the engine computes.',
    remedy: 'Take one of the architectures that the message lists.',
  },
  LABEL_MISMATCH: {
    meaning: 'Data hold a tag that the model has no label for.',
    remedy:
      'Give the label set of all splits (`labels: labelSet(…)`), or correct the tag at the file and line named.',
  },
  FILE_NOT_FOUND: {
    meaning: 'A file or directory is not there or may not be read.',
    remedy: 'Correct the path.',
  },
  WRITE_FAILED: {
    meaning:
      'A file could not be written: no permission, no directory, a full disk. The previous file is untouched.',
    remedy: 'Free space or choose another directory.',
  },
  LOCKED: {
    meaning: 'Another process writes to the directory; the message names its id and its machine.',
    remedy:
      'Wait for it, or choose another directory. If it is gone, delete the lock that the message names.',
  },
  RUN_MISMATCH: {
    meaning:
      'The directory holds a training with other settings, data or weights; the message names what differs. Nothing was changed.',
    remedy:
      'Give the settings that it was started with, choose another directory, or begin anew (`restart`).',
  },
  NETWORK_FAILED: {
    meaning:
      'A server cannot be reached, the connection broke off more often than it was tried again, or its answer is not what it should be.',
    remedy: 'Try again: what has arrived is kept, and the download goes on there.',
  },
  ACCESS_DENIED: {
    meaning: 'The server wants a permission that was not shown.',
    remedy: 'Set a token that may read it, or write where you push, or ask its owner for access.',
  },
  REMOTE_NOT_FOUND: {
    meaning: 'The server has no such repository, revision or file.',
    remedy: 'Correct the name; the message holds the address.',
  },
  HASH_MISMATCH: {
    meaning: 'What was downloaded is not what it should be: other bytes, or fewer. It was thrown away.',
    remedy: 'Try again. Where it stays, something between here and the server changes the file.',
  },
  OFFLINE: {
    meaning: 'Downloads are forbidden, and what is needed is not in the cache.',
    remedy: 'Allow downloads once, or copy the files into a directory and name that.',
  },
  DEVICE_UNAVAILABLE: {
    meaning: 'The device that was asked for is not there, or this libtorch cannot use it.',
    remedy: 'Run `permafrost doctor`, which says why; or take device `cpu`.',
  },
  OUT_OF_MEMORY: {
    meaning: 'The device or the machine has no memory left for the computation. The engine stays usable.',
    remedy: 'Take a smaller batch or shorter examples, or freeze more layers.',
  },
  NON_FINITE: {
    meaning: 'Loss or gradient is infinite or not a number. The weights are those of the step before.',
    remedy: 'Lower the learning rate, warm up longer, or look at the batch.',
  },
  QUEUE_FULL: {
    meaning: 'More calls are open at once than the tagger takes (`maxQueue`).',
    remedy: 'Try again later, or let callers wait.',
  },
  DISPOSED: {
    meaning:
      'A model, trainer or tagger was used after it was disposed of, or after a later trainer replaced it.',
    remedy: 'Load it again, and dispose of it after its last use.',
  },
  RANK_FAILED: {
    meaning:
      'One of the processes that train together ended, fell silent for longer than the time-out, or left; the message names it and its host. All others stop.',
    remedy:
      'Look at what that process printed last. Start them again, with any number of processes: the training goes on from its last save.',
  },
  RANKS_DIVERGED: {
    meaning:
      'Processes that train together have other plans, data or settings; the message names what differs, where, and both values.',
    remedy: 'Start all with the same command, version and data.',
  },
  ADDON_MISSING: {
    meaning:
      'The native engine is not built, or does not load: the message lists every path that was tried. Or the binary of the tokenizers is not installed.',
    remedy:
      'Run `permafrost doctor`; then install libtorch (`permafrost libtorch install`) and build the engine.',
  },
  ADDON_MISMATCH: {
    meaning: 'The process holds another libtorch than the engine was built against.',
    remedy: 'Build the engine again: `npm rebuild permafrost --foreground-scripts`.',
  },
  INTERNAL: {
    meaning: 'Something happened that must not happen: a fault of permafrost.',
    remedy: 'Please report it, with the message and the output of `permafrost doctor --json`.',
  },
};

/** The text of `docs/errors.md`. */
export function renderCatalogue(): string {
  const rows = Object.entries(ERROR_CATALOGUE).map(
    ([code, { meaning, remedy }]) => `| \`${code}\` | ${meaning} | ${remedy} |`,
  );
  return [
    '# Errors',
    '',
    'Made by `npm run docs:errors` from `src/errors/catalogue.ts`; change it there.',
    '',
    'Every error that a user can cause is a `PermafrostError`. Its `code` is stable, its message names the file and line,',
    'the option or the tensor, what was expected and what to do, and `details` holds the same facts as fields. An abort',
    'is no such error: the call rejects with the reason of the signal. What code of your own throws, a callback, a',
    'schedule or an iterable, comes back as it was thrown.',
    '',
    '| code | meaning | what to do |',
    '| --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
