import type { RunRecord } from '../../experiment/run-record.js';
import { COLOURS, CONFIG, type Draft } from './figure.js';

/**
 * Loss on the training data, with dropout and while it falls, and on the validation data, without, by epoch: a panel a
 * strategy or schedule and a line a seed. Where the second rises while the first falls, training has gone too far. Null
 * where no run has two epochs, or where none measured the validation loss.
 */
export function lossCurves(records: readonly RunRecord[]): Draft | null {
  const values = records.flatMap(({ scenario, seed, epochs }) =>
    epochs.length < 2
      ? []
      : epochs.flatMap(({ epoch, trainLoss, validationLoss }) => {
          const point = { panel: scenario.strategy, seed, epoch };
          return validationLoss === undefined || validationLoss === null
            ? []
            : [
                { ...point, of: 'training', loss: trainLoss },
                { ...point, of: 'validation', loss: validationLoss },
              ];
        }),
  );
  if (values.length === 0) return null;
  const domain = ['training', 'validation'];
  return {
    name: 'losses',
    title: 'Training and validation loss',
    caption:
      'Mean cross-entropy by epoch, a line a seed: over the training steps, dropout on, and over the validation data after ' +
      'the epoch, dropout off. A validation loss that rises while the training loss falls tells of overtraining.',
    spec: {
      data: { values },
      facet: {
        field: 'panel',
        type: 'nominal',
        title: null,
        sort: [...new Set(records.map(({ scenario }) => scenario.strategy))],
        header: { labelFontSize: 12 },
      },
      columns: 4,
      spec: {
        width: 170,
        height: 120,
        mark: { type: 'line', point: { size: 14 }, strokeWidth: 1.2 },
        encoding: {
          x: { field: 'epoch', type: 'quantitative', title: 'epoch', axis: { tickMinStep: 1, format: 'd' } },
          y: { field: 'loss', type: 'quantitative', title: 'loss', scale: { zero: true } },
          color: {
            field: 'of',
            type: 'nominal',
            title: null,
            scale: { domain, range: COLOURS.slice(0, 2) },
            legend: { orient: 'bottom' },
          },
          detail: { field: 'seed', type: 'nominal' },
        },
      },
      config: CONFIG,
    },
  };
}
