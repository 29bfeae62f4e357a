export interface Curve {
  readonly name: string;
  /** Milliseconds. */
  readonly delays: readonly number[];
  readonly colour: string;
}

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [720, 320, 60, 40, 30];
const PERCENTILES = Array.from({ length: 200 }, (_, index) => index / 200);

/** Delays by percentile, as SVG. */
export function plot(curves: readonly Curve[]): string {
  const sorted = curves.map(({ delays }) => delays.toSorted((a, b) => a - b));
  const limit = Math.max(...sorted.map((delays) => at(delays, 0.995)), 1);
  const x = (percentile: number) => LEFT + percentile * (WIDTH - LEFT - 20);
  const y = (delay: number) => HEIGHT - BOTTOM - (delay / limit) * (HEIGHT - BOTTOM - TOP);
  const lines = curves.flatMap(({ name, colour }, index) => {
    const points = PERCENTILES.map(
      (percentile) => `${x(percentile)},${y(at(sorted[index] ?? [], percentile)).toFixed(1)}`,
    );
    return [
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      `<text x="${LEFT + 12}" y="${TOP + 18 * index}" fill="${colour}">${name}</text>`,
    ];
  });
  const marks = [0, 0.25, 0.5, 0.75, 0.99].map(
    (percentile) =>
      `<text x="${x(percentile)}" y="${HEIGHT - 16}" text-anchor="middle">${percentile * 100} %</text>`,
  );
  const scale = [0, limit / 2, limit].map(
    (delay) => `<text x="${LEFT - 8}" y="${y(delay) + 4}" text-anchor="end">${delay.toFixed(1)} ms</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#111827">
<title>Delay of a chunk by percentile</title>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
${[...lines, ...marks, ...scale].join('\n')}
</svg>
`;
}

function at(sorted: readonly number[], percentile: number): number {
  return sorted[Math.floor(sorted.length * percentile)] ?? 0;
}
