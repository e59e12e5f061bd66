import { createHash } from "node:crypto";
import type { LimitAlgorithm, LimiterSettings } from "../limiter-settings.ts";

/*
 * What Redis does for a limit, in one step that nobody else comes between. Times are microseconds of Redis's own clock, so
 * that those of the machines that ask need not agree. Each script takes a key, its numbers, and how many requests ask:
 *
 *     EVALSHA … 1 key … wanted   ▶   granted, left after those, until all is there again, until another one is let in
 *
 * Keys outlive what they say by a second and then go by themselves. Refusals write nothing.
 */

/** An algorithm that Redis can count by. */
export type RemoteAlgorithm = Exclude<LimitAlgorithm, "concurrency">;

/** Sets `now`. From Redis 5 on a script may write after it has asked for the time. */
const REDIS_TIME = `
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]`;

/** Numbers are written whole: Lua's own way to write them loses the microseconds. */
const BEGINNING = `
local key, wanted = KEYS[1], tonumber(ARGV[#ARGV])
local function text(number) return string.format("%.17g", number) end
local function lifetime(left) return text(math.ceil(left / 1000) + 1000) end`;

/** "start count" */
const FIXED_WINDOW = `
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local start, count = string.match(redis.call("GET", key) or "", "^(%S+) (%S+)$")
start, count = tonumber(start), tonumber(count)
if not start or not count or now - start >= window then start, count = now, 0 end
local left = math.min(start + window - now, window)
local granted = math.min(wanted, math.max(limit - count, 0))
if granted > 0 then
  count = count + granted
  redis.call("SET", key, text(start) .. " " .. text(count), "PX", lifetime(left))
end
return { granted, math.max(limit - count, 0), left, granted < wanted and left or 0 }`;

/**
 * A list: the times of the last requests of groups that are full, the oldest first; then "newest partial", the time of the newest
 * request and those of the group that isn't full yet. See `SlidingWindow` for what groups are for.
 */
const SLIDING_WINDOW = `
local limit, window, group = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local newest, partial = string.match(redis.call("LINDEX", key, -1) or "", "^(%S+) (%S+)$")
newest, partial = tonumber(newest), tonumber(partial)
if newest and newest > now then now = newest end
local full = 0
if newest and partial and now - newest < window then
  full = redis.call("LLEN", key) - 1
  while full > 0 and now - tonumber(redis.call("LINDEX", key, 0)) >= window do
    redis.call("LPOP", key)
    full = full - 1
  end
else
  redis.call("DEL", key)
  newest, partial = nil, 0
end
local used = full * group + partial
local granted = math.min(wanted, math.max(limit - used, 0))
if granted > 0 then
  used, partial = used + granted, partial + granted
  if newest then redis.call("RPOP", key) end
  while partial >= group do
    redis.call("RPUSH", key, text(now))
    partial = partial - group
  end
  redis.call("RPUSH", key, text(now) .. " " .. text(partial))
  redis.call("PEXPIRE", key, lifetime(window))
  newest = now
end
local wait = 0
if granted < wanted then
  wait = (tonumber(redis.call("LINDEX", key, 0)) or newest) + window - now
end
return { granted, math.max(limit - used, 0), newest + window - now, wait }`;

/** The time when the bucket will be full. */
const TOKEN_BUCKET = `
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local capacity = interval * burst
local full = tonumber(redis.call("GET", key) or "") or now
local missing = math.min(math.max(full - now, 0), capacity)
local function tokens() return math.max(math.floor((capacity - missing) / interval + 0.001), 0) end
local granted = math.min(wanted, tokens())
if granted > 0 then
  missing = missing + granted * interval
  redis.call("SET", key, text(now + missing), "PX", lifetime(missing))
end
return { granted, tokens(), missing, granted < wanted and interval - (capacity - missing) or 0 }`;

const BODIES: Readonly<Record<RemoteAlgorithm, string>> = {
  fixed_window: FIXED_WINDOW,
  sliding_window: SLIDING_WINDOW,
  token_bucket: TOKEN_BUCKET,
};

/** Groups that a sliding window is remembered in. As in memory. */
const MOST_GROUPS = 128;

/** A limit in Redis's words. */
export interface LimitScript {
  readonly source: string;
  /** What Redis knows the source by. */
  readonly sha: string;
  /** Before the number of requests that ask. */
  readonly numbers: readonly string[];
  /** What keys of this kind have in their names: what one kind has written means nothing to another. */
  readonly tag: string;
}

/** @param clock sets `now` in the script; another one stands in for Redis's in tests */
export function createLimitScript(
  settings: LimiterSettings & { readonly algorithm: RemoteAlgorithm },
  clock: string = REDIS_TIME,
): LimitScript {
  const { algorithm, limit, window, burst } = settings;
  const source = `${BEGINNING}${clock}${BODIES[algorithm]}`;
  const sha = createHash("sha1").update(source).digest("hex");
  const micros = window * 1000;
  switch (algorithm) {
    case "fixed_window":
      return { source, sha, numbers: [`${limit}`, `${micros}`], tag: algorithm };
    case "token_bucket":
      return { source, sha, numbers: [`${micros / limit}`, `${burst}`], tag: algorithm };
    case "sliding_window": {
      const group = Math.ceil(limit / MOST_GROUPS);
      const tag = group === 1 ? algorithm : `${algorithm}/${group}`;
      return { source, sha, numbers: [`${limit}`, `${micros}`, `${group}`], tag };
    }
  }
}
