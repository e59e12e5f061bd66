import type * as z from "zod";
import { DEFAULT_FLOOD_LIMITS, type FloodLimit, type FloodLimits } from "../../http2/flood-limits.ts";
import { DEFAULT_HTTP2_SETTINGS, type Http2Settings } from "../../http2/server-options.ts";
import { duration, size } from "./units.ts";
import { choice, flag, integer, oneOf, section } from "./values.ts";

const DEFAULTS = DEFAULT_HTTP2_SETTINGS;
const SMALLEST_WINDOW = 65_535;
const LARGEST_WINDOW = 2 ** 31 - 1;

/** So many that nobody reaches them: what is no limit at all. */
const MOST_ALLOWANCES = 1_000_000_000;

const floodLimit = section("FloodLimit", "What a client may do at once, and how soon it may do it again.", {
  burst: integer(1, MOST_ALLOWANCES).describe("How often at once; for `tiny_data` bytes."),
  per_second: integer(0, MOST_ALLOWANCES).describe("How many of them come back in a second."),
}).transform(({ burst, per_second: perSecond }): FloodLimit => ({ burst, perSecond }));

/** The same with the usual limit of a kind, in words. */
function flood(kind: keyof FloodLimits, description: string): z.ZodOptional<typeof floodLimit> {
  const { burst, perSecond } = DEFAULT_FLOOD_LIMITS[kind];
  return floodLimit.optional().describe(`${description} Default: ${burst} at once, ${perSecond} a second.`);
}

const floods = section(
  "Floods",
  "What of a client is too much on one connection, though it is allowed: it costs the client little. The connection is ended with ENHANCE_YOUR_CALM.",
  {
    peer_reset: flood(
      "peerReset",
      "Requests that the client resets before an answer and within a second, beyond those that ended well.",
    ),
    own_reset: flood("ownReset", "Requests that it makes us reset, by breaking rules or opening too many."),
    settings: flood("settings", "SETTINGS, and acknowledgements of nothing."),
    ping: flood("ping", "PING, and answers to none."),
    empty_data: flood("emptyData", "DATA without a byte and without an end."),
    tiny_data: flood("tinyData", "Bytes of frame heads and padding, beyond four for each byte of a body."),
    window_update: flood(
      "windowUpdate",
      "WINDOW_UPDATE, beyond eight for each DATA frame of ours that was worth it.",
    ),
    ignored: flood("ignored", "PRIORITY, unknown frames, and what comes for requests that are over."),
    unread_answers: flood("unreadAnswers", "Answers to SETTINGS and PING that it doesn't read."),
  },
).transform((document): Partial<FloodLimits> => {
  const limits = {
    peerReset: document.peer_reset,
    ownReset: document.own_reset,
    settings: document.settings,
    ping: document.ping,
    emptyData: document.empty_data,
    tinyData: document.tiny_data,
    windowUpdate: document.window_update,
    ignored: document.ignored,
    unreadAnswers: document.unread_answers,
  } satisfies Record<keyof FloodLimits, FloodLimit | undefined>;
  return Object.fromEntries(Object.entries(limits).filter(([, limit]) => limit !== undefined));
});

const keys = section(
  "Http2",
  "How clients may speak HTTP/2. Heads, bodies and times have the limits of the listener. 0 switches a timeout off.",
  {
    only: flag().default(false).describe("Clients must speak it: whoever begins in HTTP/1 is disconnected."),
    max_concurrent_streams: integer(1, 65_536)
      .default(DEFAULTS.maxConcurrentStreams)
      .describe("Requests that a client may have under way at once, on each connection."),
    stream_window: size(SMALLEST_WINDOW, LARGEST_WINDOW)
      .prefault(DEFAULTS.streamWindow)
      .describe(
        "What a client may send of a request's body before any of it is taken. Windows of those who would be faster with more grow.",
      ),
    connection_window: size(SMALLEST_WINDOW, LARGEST_WINDOW)
      .prefault("1m")
      .describe("The same for all requests of a connection together."),
    settings_timeout: duration
      .prefault("10s")
      .describe("Until a client has acknowledged our settings; then it is disconnected."),
    ping_interval: duration
      .prefault("60s")
      .describe("A client that has requests under way and says nothing for so long gets a PING."),
    ping_timeout: duration
      .prefault("20s")
      .describe("A client that says nothing for so long after a PING is disconnected."),
    continuations: integer(0, 65_536)
      .default(DEFAULTS.continuations)
      .describe(
        "CONTINUATION frames that a header block may need; more end the connection. As many as the longest head fills are taken in any case.",
      ),
    floods: floods.prefault({}).describe("What is too much, though it is allowed."),
  },
).transform(
  (document): Http2Settings => ({
    only: document.only,
    maxConcurrentStreams: document.max_concurrent_streams,
    streamWindow: document.stream_window,
    connectionWindow: document.connection_window,
    settingsTimeout: document.settings_timeout,
    pingInterval: document.ping_interval,
    pingTimeout: document.ping_timeout,
    continuations: document.continuations,
    floods: document.floods,
  }),
);

const switched = flag().transform((isOn): Http2Settings | false => (isOn ? DEFAULTS : false));
const only = choice(["only"]).transform((): Http2Settings => ({ ...DEFAULTS, only: true }));

/** Whether clients may speak HTTP/2, and how: a word, or a map. */
export const http2: z.ZodType<Http2Settings | false> = oneOf("true, false, only or a map", [
  switched,
  only,
  keys,
]);
