/** One number that a figure shows, as its mark says it. */
export interface FigurePoint {
  /** Heading of the panel that it stands in. */
  panel: string;
  series: string;
  /** Empty where it has no place on the axis across. */
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
 * variables on any element around it: `--pf-ink` (text), `--pf-muted` (axes, ticks, notes), `--pf-grid`, `--pf-paper`
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
  /** For a page, 920 pixels wide. */
  svg: string;
  /** The same for a phone, 380 pixels wide: the panels below each other. */
  narrow: string;
  /** The data behind the marks, in the order of `data-point`. */
  points: FigurePoint[];
}
