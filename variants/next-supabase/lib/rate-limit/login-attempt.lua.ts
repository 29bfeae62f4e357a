/**
 * Failed logins in budgets of their own, in one round trip and atomically. A budget is a hash: `reserved` are attempts that
 * have failed or are under way, `failed` those that have failed. An attempt is reserved in all budgets or in none.
 *
 * KEYS the budgets; ARGV[1] the window in milliseconds; ARGV[2...] the limit of each budget.
 * Returns { outcome, index of the budget, milliseconds to wait }: outcome 0 is reserved, 1 is refused, 2 is refused until
 * attempts that are under way have ended.
 */
export const RESERVE_ATTEMPT = `
for index, key in ipairs(KEYS) do
  local limit = tonumber(ARGV[index + 1])
  local counts = redis.call('HMGET', key, 'reserved', 'failed')
  if (tonumber(counts[2]) or 0) >= limit then
    return { 1, index, math.max(redis.call('PTTL', key), 1) }
  elseif (tonumber(counts[1]) or 0) >= limit then
    return { 2, index, 1000 }
  end
end
for _, key in ipairs(KEYS) do
  redis.call('HINCRBY', key, 'reserved', 1)
  if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, ARGV[1]) end
end
return { 0, 0, 0 }
`;

/**
 * Turns a reservation into a failure. When the first budget is used up, it stays so for the window; each further time within a
 * day twice as long, a day at most.
 *
 * KEYS[1] how often the first budget was used up; KEYS[2...] the budgets; ARGV[1] the window in milliseconds, ARGV[2] the
 * limit of the first budget, 0 where it has no lockouts, ARGV[3] a day in milliseconds.
 */
export const FAIL_ATTEMPT = `
local window, limit, day = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
for index = 2, #KEYS do
  local key = KEYS[index]
  local failed = redis.call('HINCRBY', key, 'failed', 1)
  if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, window) end
  if index == 2 and failed == limit then
    local lockouts = redis.call('INCR', KEYS[1])
    redis.call('PEXPIRE', KEYS[1], day)
    redis.call('PEXPIRE', key, math.min(window * 2 ^ math.min(lockouts - 1, 20), day))
  end
end
return 0
`;

/** Gives reservations back. KEYS the budgets. */
export const RELEASE_ATTEMPT = `
for _, key in ipairs(KEYS) do
  if (tonumber(redis.call('HGET', key, 'reserved')) or 0) > 0 then redis.call('HINCRBY', key, 'reserved', -1) end
end
return 0
`;
