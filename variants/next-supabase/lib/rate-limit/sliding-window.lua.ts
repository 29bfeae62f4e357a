/**
 * A sliding window of two counters, in one round trip and atomically: the requests of this window, and those of the one
 * before by the share of it that the sliding window still covers. The time is Redis's, the same for all processes.
 *
 * KEYS[1] the client's key; ARGV[1] the limit; ARGV[2] the window in milliseconds.
 * Returns { allowed (0 or 1), remaining, milliseconds until one more is allowed }.
 */
export const SLIDING_WINDOW = `
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local index, elapsed = math.floor(now / window), now % window
local stored = redis.call('HMGET', KEYS[1], 'index', 'current', 'previous')
local current, previous = tonumber(stored[2]) or 0, tonumber(stored[3]) or 0
local age = stored[1] and index - tonumber(stored[1]) or 2
if age == 1 then previous, current = current, 0 elseif age ~= 0 then previous, current = 0, 0 end
local used = current + previous * (window - elapsed) / window
if used + 1 > limit then
  local wait = window - elapsed
  if previous > 0 and current < limit then
    wait = math.min(wait, math.ceil((used + 1 - limit) * window / previous))
  end
  return { 0, 0, math.max(wait, 1) }
end
redis.call('HSET', KEYS[1], 'index', index, 'current', current + 1, 'previous', previous)
redis.call('PEXPIRE', KEYS[1], window * 2)
return { 1, math.floor(limit - used - 1), window - elapsed }
`;
