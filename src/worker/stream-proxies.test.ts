import assert from "node:assert/strict";
import { test } from "node:test";
import { PROXY_SETTINGS } from "../../test/kit/stream-proxy.ts";
import { allocateCounters, Counters } from "../base/counters.ts";
import { SocketKeeper } from "../control/sockets.ts";
import { StreamProxies } from "./stream-proxies.ts";

test("a proxy that is closed before it is open isn't there in the end, and may come again", async () => {
  const sockets = new SocketKeeper();
  const proxies = new StreamProxies({
    source: (address, owner) => sockets.lend(address, { thread: 0, threads: 1 }, owner),
    context: { counters: new Counters(allocateCounters(1), 0), thread: 0 } as never,
    ...{
      plugins: { row: () => null },
      isShared: false,
      isFirst: true,
      seed: "test",
      onEvent: () => undefined,
    },
  });
  const settings = { ...PROXY_SETTINGS, upstreams: ["127.0.0.1:1"] };
  const open = (): Promise<unknown> => proxies.obey({ do: "open", settings });
  const close = (): Promise<unknown> => proxies.obey({ do: "close", proxy: settings.name });
  await Promise.all([open(), close()]);
  assert.deepEqual(proxies.addresses, []);
  const [, , address] = await Promise.all([open(), close(), open()]);
  assert.deepEqual(proxies.addresses, [[settings.name, address]]);
  await close();
  await sockets.close();
});
