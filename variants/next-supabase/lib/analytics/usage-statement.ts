/**
 * Usage by period and type of event, from what is added up by day: user, first and last day, period, limit, and the last
 * period and type of the page before. Apart, so that its plan and its time can be looked at.
 */
export const USAGE = `
  SELECT date_trunc($4, day::timestamp)::date AS period, event_type AS "eventType", sum(events)::bigint AS count
  FROM usage_daily
  WHERE user_id = $1 AND day BETWEEN $2 AND $3
  GROUP BY 1, 2
  HAVING $6::date IS NULL OR (date_trunc($4, day::timestamp)::date, event_type::text) > ($6::date, $7::text)
  ORDER BY 1, 2 LIMIT $5`;
