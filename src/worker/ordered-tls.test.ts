import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TLS_SETTINGS } from "../../test/kit/tls-listener.ts";
import type { TlsMaterial } from "../net/tls/listener-settings.ts";
import { OrderedTls, renamed } from "./ordered-tls.ts";

/** Material that is told apart by its list of revoked certificates. */
function material(name: string): TlsMaterial {
  return { certificates: [], ca: [], crl: [name], ticketKeys: [] };
}

/** A thread's TLS; the main thread answers with the owner's name. */
function create(): { readonly tls: OrderedTls; readonly heard: string[]; hear(next: TlsMaterial): void } {
  const heard: string[] = [];
  const tls = new OrderedTls((owner) => Promise.resolve(material(owner)));
  return { tls, heard, hear: ({ crl }) => heard.push(...crl) };
}

describe("what a thread has for TLS", () => {
  test("is what the main thread answers, and then what it orders for the same owner", async () => {
    const { tls, heard, hear } = create();
    assert.deepEqual(await tls.open("web", TLS_SETTINGS, hear), material("web"));
    tls.set("web", material("new"));
    tls.set("other", material("not ours"));
    assert.deepEqual(heard, ["new"]);
  });

  test("isn't exchanged before it is there: what was ordered meanwhile is no newer than the answer", async () => {
    const { tls, heard, hear } = create();
    const opened = tls.open("web", TLS_SETTINGS, hear);
    tls.set("web", material("early"));
    await opened;
    assert.deepEqual(heard, []);
  });

  test("ends with its owner", async () => {
    const { tls, heard, hear } = create();
    await tls.open("web", TLS_SETTINGS, hear);
    tls.close("web");
    tls.set("web", material("late"));
    assert.deepEqual(heard, []);
  });

  test("may be asked for under names of one's own", async () => {
    const { tls, heard, hear } = create();
    const proxies = renamed(tls, (name) => `proxy ${name}`);
    assert.deepEqual(await proxies.open("web", TLS_SETTINGS, hear), material("proxy web"));
    tls.set("web", material("of the listener"));
    tls.set("proxy web", material("of the proxy"));
    assert.deepEqual(heard, ["of the proxy"]);
  });

  test("is missing where the main thread refuses", async () => {
    const tls = new OrderedTls(() => Promise.reject(new Error("no such file")));
    await assert.rejects(
      tls.open("web", TLS_SETTINGS, () => undefined),
      /no such file/,
    );
  });
});
