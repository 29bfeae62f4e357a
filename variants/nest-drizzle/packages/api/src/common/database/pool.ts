/** The connections themselves: for the health check and the metrics, which ask nothing about tenants. */
export const POOL = Symbol('POOL');
