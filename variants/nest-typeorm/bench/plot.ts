/** Purchases per second over connections, both axes logarithmic. */
interface Point {
  readonly connections: number;
  readonly grouped: number;
  readonly plain: number;
}

const WIDTH = 720;
const HEIGHT = 400;
const MARGIN = { top: 48, right: 24, bottom: 56, left: 72 };
const SERIES = [
  { name: 'grouped', label: 'group commit', colour: '#2563eb' },
  { name: 'plain', label: 'one transaction each', colour: '#b45309' },
] as const;

/** An SVG document that reads on light and dark backgrounds. */
export function plot(points: readonly Point[]): string {
  const rates = points.flatMap(({ grouped, plain }) => [grouped, plain]);
  const ticks = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000];
  const low = ticks.findLast((tick) => tick <= Math.min(...rates)) ?? 100;
  const high = ticks.find((tick) => tick >= Math.max(...rates)) ?? 50_000;
  const scale = (value: number, from: number, to: number) => Math.log(value / from) / Math.log(to / from);
  const [first, last] = [points[0]?.connections ?? 1, points.at(-1)?.connections ?? 2];
  const x = (connections: number) =>
    (MARGIN.left + scale(connections, first, last) * (WIDTH - MARGIN.left - MARGIN.right)).toFixed(1);
  const y = (rate: number) =>
    (HEIGHT - MARGIN.bottom - scale(rate, low, high) * (HEIGHT - MARGIN.top - MARGIN.bottom)).toFixed(1);

  const grid = ticks
    .filter((tick) => tick >= low && tick <= high)
    .map(
      (tick) =>
        `<line x1="${MARGIN.left}" x2="${WIDTH - MARGIN.right}" y1="${y(tick)}" y2="${y(tick)}" stroke="#d1d5db"/>` +
        `<text x="${MARGIN.left - 8}" y="${y(tick)}" dy="4" text-anchor="end">${tick.toLocaleString('en')}</text>`,
    );
  const labels = points.map(
    ({ connections }) =>
      `<text x="${x(connections)}" y="${HEIGHT - MARGIN.bottom + 20}" text-anchor="middle">${connections}</text>`,
  );
  const lines = SERIES.map(({ name, colour }) => {
    const path = points.map((point) => `${x(point.connections)},${y(point[name])}`).join(' ');
    const dots = points.map(
      (point) => `<circle cx="${x(point.connections)}" cy="${y(point[name])}" r="4" fill="${colour}"/>`,
    );
    return `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2.5"/>${dots.join('')}`;
  });
  const legend = SERIES.map(
    ({ label, colour }, index) =>
      `<rect x="${MARGIN.left + index * 160}" y="18" width="12" height="12" fill="${colour}"/>` +
      `<text x="${MARGIN.left + 18 + index * 160}" y="28">${label}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#111827">
<title>Purchases of one event per second, over concurrent connections</title>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
${[...grid, ...labels, ...lines, ...legend].join('\n')}
<text x="${WIDTH / 2}" y="${HEIGHT - 12}" text-anchor="middle">concurrent connections</text>
<text transform="translate(16 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">purchases per second</text>
</svg>
`;
}
