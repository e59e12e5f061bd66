import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHttp2Settings } from "./check-settings.ts";
import { DEFAULT_HTTP2_SETTINGS, type Http2Settings } from "./server-options.ts";

test("settings that a program may have", () => {
  checkHttp2Settings({});
  checkHttp2Settings(DEFAULT_HTTP2_SETTINGS);
  checkHttp2Settings({
    pingTimeout: 0,
    floods: { ping: { burst: Number.POSITIVE_INFINITY, perSecond: 0.5 } },
  });
});

test("settings that it may not have are named", () => {
  const wrong: readonly [settings: object, message: string][] = [
    [{ maxStreams: 5 }, "There is no http2.maxStreams"],
    [{ pingIntervals: 5 }, "There is no http2.pingIntervals; did you mean pingInterval?"],
    [{ streamWindow: 1000 }, "http2.streamWindow has to be a whole number from 65535 to 2147483647"],
    [
      { maxConcurrentStreams: 1.5 },
      "http2.maxConcurrentStreams has to be a whole number from 1 to 2147483647",
    ],
    [{ pingTimeout: Number.NaN }, "http2.pingTimeout has to be a number from 0 on"],
    [{ only: "yes" }, "http2.only has to be true or false"],
    [{ floods: 5 }, "http2.floods has to be an object"],
    [{ floods: { pings: {} } }, "There is no http2.floods.pings; did you mean ping?"],
    [{ floods: { ping: 5 } }, "http2.floods.ping has to be an object with burst and perSecond"],
    [{ floods: { ping: { burst: 5 } } }, "http2.floods.ping has to be an object with burst and perSecond"],
    [
      { floods: { ping: { burst: 0, perSecond: 1 } } },
      "http2.floods.ping.burst has to be a number from 1 on",
    ],
    [
      { floods: { ping: { burst: 1, perSecond: "1" } } },
      "http2.floods.ping.perSecond has to be a number from 0 on",
    ],
  ];
  for (const [settings, message] of wrong)
    assert.throws(() => checkHttp2Settings(settings as Partial<Http2Settings>), { message });
});
