import type { TopLevelSpec } from 'vega-lite';

/** A figure as a file of its own, or within a page. */
export interface Figure {
  /** File name without its end. */
  name: string;
  title: string;
  /** What is shown, one sentence. */
  caption: string;
  svg: string;
}

/** A figure before it is drawn. */
export type Draft = Omit<Figure, 'svg'> & { spec: TopLevelSpec };

export const COLOURS: readonly string[] = ['#1f6fb4', '#d1601e', '#2f8f4e', '#8a4fb0', '#5a5a5a', '#b0336b'];

export const CONFIG = { font: 'sans-serif', background: 'white', view: { stroke: '#cccccc' } } as const;

/** Draws figures. @returns the same text for the same drafts */
export async function drawFigures(drafts: readonly Draft[]): Promise<Figure[]> {
  return Promise.all(drafts.map(async ({ spec, ...figure }) => ({ ...figure, svg: await drawSvg(spec) })));
}

/** Vega weighs more than all else of a report, so it is loaded when a figure is drawn. */
async function drawSvg(spec: TopLevelSpec): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import('vega'), import('vega-lite')]);
  const view = new vega.View(vega.parse(vegaLite.compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
