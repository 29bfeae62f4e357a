import type { BackendMetrics } from '@/lib/telemetry/backend-metrics';
import styles from './status.module.css';

const ms = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** The metrics as numbers, curves and tables. */
export function Panels({ metrics: { api, database, integrations } }: { metrics: BackendMetrics }) {
  const { active, idle, waiting } = database.connectionPool;
  return (
    <>
      <section className={styles.panel}>
        <h2>API</h2>
        <Figures
          of={{
            Throughput: `${api.throughput.toFixed(1)} /s`,
            Average: ms(api.averageResponseTime),
            P95: ms(api.p95ResponseTime),
            '5XX': percent(api.errorRate),
            '4XX': percent(api.clientErrorRate),
          }}
        />
        <Curve name="Response time of the last requests" values={api.responseTime} />
      </section>
      <section className={styles.panel}>
        <h2>Database</h2>
        <Figures
          of={{
            Average: ms(database.averageQueryTime),
            P95: ms(database.p95QueryTime),
            Active: `${active}`,
            Idle: `${idle}`,
            Waiting: `${waiting}`,
          }}
        />
        <Curve name="Time of the last statements" values={database.queryTime} />
        {database.slowQueries.length > 0 && (
          <table>
            <thead>
              <tr>
                <th>Slow statement</th>
                <th>Time</th>
                <th>At</th>
              </tr>
            </thead>
            <tbody>
              {database.slowQueries.map(({ query, duration, at }) => (
                <tr key={`${at} ${query}`}>
                  <td>
                    <code>{query}</code>
                  </td>
                  <td>{ms(duration)}</td>
                  <td>{at}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </section>
      <section className={styles.panel}>
        <h2>Integrations</h2>
        {Object.keys(integrations).length === 0 && <p>No external service has been asked yet.</p>}
        {Object.entries(integrations).map(([service, { successRate, averageLatency, errors }]) => (
          <div key={service}>
            <h3>{service}</h3>
            <Figures
              of={{ Success: percent(successRate), Average: ms(averageLatency), Errors: `${errors}` }}
            />
          </div>
        ))}
      </section>
    </>
  );
}

function Figures({ of }: { of: Readonly<Record<string, string>> }) {
  return (
    <dl className={styles.figures}>
      {Object.entries(of).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

const WIDTH = 600;
const HEIGHT = 80;
const SHOWN = 200;

function Curve({ name, values }: { name: string; values: readonly number[] }) {
  const shown = values.slice(-SHOWN);
  const highest = Math.max(1, ...shown);
  const points = shown
    .map((value, index) => `${(index / (SHOWN - 1)) * WIDTH},${HEIGHT - (value / highest) * HEIGHT}`)
    .join(' ');
  return (
    <figure className={styles.curve}>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={name} preserveAspectRatio="none">
        <polyline points={points} />
      </svg>
      <figcaption>
        {name}, up to {ms(highest)}
      </figcaption>
    </figure>
  );
}
