/** Reads per second: two servers, two endpoints. */
type Rates = Readonly<Record<'service' | 'bare', number>>;

const WIDTH = 720;
const HEIGHT = 260;
const LEFT = 170;
const RIGHT = 90;
const BAR = 26;
const GROUPS = [
  { name: 'one', label: 'GET /api/v1/customers/:id', top: 60 },
  { name: 'list', label: 'GET /api/v1/customers', top: 160 },
] as const;
const SERIES = [
  { name: 'service', label: 'the service', colour: '#2563eb' },
  { name: 'bare', label: 'bare Express + pg', colour: '#b45309' },
] as const;

/** An SVG document that reads on light and dark backgrounds. */
export function plot(rates: Readonly<Record<'one' | 'list', Rates>>): string {
  const highest = Math.max(...GROUPS.flatMap(({ name }) => Object.values(rates[name])));
  const bars = GROUPS.flatMap(({ name: group, label, top }) => [
    `<text x="24" y="${top - 12}" font-weight="600">${label}</text>`,
    ...SERIES.flatMap(({ name, label: series, colour }, index) => {
      const y = top + index * (BAR + 4);
      const width = ((WIDTH - LEFT - RIGHT) * rates[group][name]) / highest;
      return [
        `<text x="${LEFT - 10}" y="${y + BAR / 2}" dy="4" text-anchor="end">${series}</text>`,
        `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colour}"/>`,
        `<text x="${(LEFT + width + 8).toFixed(1)}" y="${y + BAR / 2}" dy="4">${rates[group][name].toLocaleString('en')}/s</text>`,
      ];
    }),
  ]);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="13" fill="#111827">
<title>Reads per second, through guard, isolation and DTOs, against a bare server</title>
<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
${bars.join('\n')}
</svg>
`;
}
