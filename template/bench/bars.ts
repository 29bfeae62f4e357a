/** A bar plot: groups of bars, and the same series in each. */
const WIDTH = 720;
const LEFT = 210;
const RIGHT = 90;
const BAR = 26;
const STEP = BAR + 4;
const HEAD = 60;
const BETWEEN = 40;

export interface Group {
  readonly label: string;
  /** Per second, of each series. */
  readonly rates: readonly number[];
}

export interface Series {
  readonly label: string;
  readonly colour: string;
}

/** An SVG document that reads on light and dark backgrounds. */
export function bars(title: string, series: readonly Series[], groups: readonly Group[]): string {
  const highest = Math.max(...groups.flatMap(({ rates }) => rates));
  const pitch = series.length * STEP + BETWEEN;
  const height = HEAD + groups.length * pitch - BETWEEN + 24;
  const shapes = groups.flatMap(({ label, rates }, group) => {
    const top = HEAD + group * pitch;
    return [
      `<text x="24" y="${top - 12}" font-weight="600">${label}</text>`,
      ...series.flatMap(({ label: name, colour }, index) => {
        const y = top + index * STEP;
        const value = rates[index] ?? 0;
        const width = ((WIDTH - LEFT - RIGHT) * value) / highest;
        return [
          `<text x="${LEFT - 10}" y="${y + BAR / 2}" dy="4" text-anchor="end">${name}</text>`,
          `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colour}"/>`,
          `<text x="${(LEFT + width + 8).toFixed(1)}" y="${y + BAR / 2}" dy="4">${value.toLocaleString('en')}/s</text>`,
        ];
      }),
    ];
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" fill="#111827">
<title>${title}</title>
<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>
${shapes.join('\n')}
</svg>
`;
}
