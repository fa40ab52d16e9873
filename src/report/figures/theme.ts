import {
  type SymbolType,
  symbol,
  symbolCircle,
  symbolCross,
  symbolDiamond,
  symbolSquare,
  symbolStar,
  symbolTriangle,
  symbolWye,
} from 'd3-shape';
import { type Attributes, element } from './svg.js';

/**
 * Colours of series after Okabe and Ito (2008), which people with any colour vision tell apart; those that are too pale
 * for a line on white are darker here, and lighter in the dark.
 */
export const SERIES = {
  light: ['#0072b2', '#c04f00', '#00805d', '#a8487f', '#8a6400', '#2a86b8', '#6b6b6b'],
  dark: ['#56b4e9', '#f08a4b', '#2fc79b', '#e29bc6', '#e6b93f', '#9ed4f2', '#b8b8b8'],
};

const ROLES = {
  ink: { light: '#1f2328', dark: '#e6e9ec' },
  muted: { light: '#59636e', dark: '#a3adb8' },
  grid: { light: '#dfe3e8', dark: '#2f363d' },
  paper: { light: '#ffffff', dark: '#14181d' },
} as const;

type Role = keyof typeof ROLES;

const MARKERS: readonly SymbolType[] = [
  symbolCircle,
  symbolSquare,
  symbolTriangle,
  symbolDiamond,
  symbolCross,
  symbolStar,
  symbolWye,
];

const DASHES: readonly (string | null)[] = [null, '7 3', '2 2.5', '9 3 2 3', '4 2', '12 3', '1 3'];

/** How a series looks: colour, shape of its points and dashes say the same, so that each is enough. */
export interface SeriesStyle {
  /** From 1, number of the colour in the palette. */
  colour: number;
  marker: number;
  dash: number;
  /** Points are drawn as outlines: figures that are not ours. */
  isHollow?: boolean;
}

/** The look of the n-th series; the first 49 differ. */
export function seriesStyle(index: number): SeriesStyle {
  const round = Math.floor(index / MARKERS.length);
  return {
    colour: 1 + (index % SERIES.light.length),
    marker: (index + round) % MARKERS.length,
    dash: (index + round) % DASHES.length,
  };
}

/** Attributes that paint in a role; the plain colour stands for programs without CSS variables. */
export function filled(role: Role): Attributes {
  return { class: `pf-${role}`, fill: ROLES[role].light };
}

export function stroked(role: Role): Attributes {
  return { class: `pf-${role}-line`, stroke: ROLES[role].light, fill: 'none' };
}

export function seriesFill({ colour }: SeriesStyle): Attributes {
  return { class: `pf-fill-${colour}`, fill: SERIES.light[colour - 1] };
}

export function seriesStroke({ colour, dash }: SeriesStyle): Attributes {
  return {
    class: `pf-line-${colour}`,
    stroke: SERIES.light[colour - 1],
    fill: 'none',
    'stroke-dasharray': DASHES[dash] ?? null,
  };
}

/** The mark of a point around (0, 0). @param area in square pixels */
export function marker(style: SeriesStyle, area = 44, attributes: Attributes = {}): string {
  const d = symbol(MARKERS[style.marker]!, area).digits(1)()!;
  if (style.isHollow !== true) return element('path', { d, ...seriesFill(style), ...attributes });
  return element('path', {
    d,
    class: `pf-line-${style.colour} pf-hollow`,
    stroke: SERIES.light[style.colour - 1],
    fill: ROLES.paper.light,
    'stroke-width': 1.5,
    ...attributes,
  });
}

function variables(mode: 'light' | 'dark'): string {
  const roles = Object.entries(ROLES).map(([role, of]) => `--${role}:var(--pf-${role},${of[mode]})`);
  const series = SERIES[mode].map((colour, index) => `--c${index + 1}:var(--pf-${index + 1},${colour})`);
  return [...roles, ...series].join(';');
}

/** The style that each figure carries. A page overrides its colours by `--pf-…` on any element around it. */
export const STYLE = [
  `.pf{${variables('light')};font-family:system-ui,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}`,
  `@media(prefers-color-scheme:dark){.pf{${variables('dark')}}}`,
  ...Object.keys(ROLES).map(
    (role) => `.pf .pf-${role}{fill:var(--${role})}.pf .pf-${role}-line{stroke:var(--${role})}`,
  ),
  ...SERIES.light.map(
    (_, index) =>
      `.pf .pf-fill-${index + 1}{fill:var(--c${index + 1})}.pf .pf-line-${index + 1}{stroke:var(--c${index + 1})}`,
  ),
  '.pf .pf-strip{fill:var(--muted)}',
  '.pf .pf-hollow{fill:var(--paper)}',
  '.pf .pf-mark{pointer-events:all}.pf .pf-mark:hover path,.pf .pf-mark:hover rect{stroke:var(--ink);stroke-width:2}',
].join('\n');
