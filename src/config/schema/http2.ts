import type * as z from "zod";
import { DEFAULT_HTTP2_SETTINGS, type Http2Settings } from "../../http2/server-options.ts";
import { duration, size } from "./units.ts";
import { choice, flag, integer, oneOf, section } from "./values.ts";

const DEFAULTS = DEFAULT_HTTP2_SETTINGS;
const SMALLEST_WINDOW = 65_535;
const LARGEST_WINDOW = 2 ** 31 - 1;

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
