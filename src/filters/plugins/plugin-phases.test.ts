import assert from "node:assert/strict";
import { test } from "node:test";
import { createSession } from "../../../test/kit/session.ts";
import { ProxyError } from "../../base/errors.ts";
import type { Plugin } from "../../plugins/plugin.ts";
import { PluginRow } from "../../plugins/plugin-row.ts";
import type { ProxyPhases } from "../../proxy/phases.ts";
import type { Session } from "../../proxy/session.ts";
import { withPlugins } from "./plugin-phases.ts";

type UpstreamFilter = NonNullable<ProxyPhases<unknown>["proxyUpstreamFilter"]>;

/** Whether plugins are opened for a session that goes through this phase. */
async function isOpenedBehind(proxyUpstreamFilter: UpstreamFilter): Promise<boolean> {
  const plugin: Plugin = {
    ...{ name: "test", transforms: true, filtersRequests: false },
    openConnection: () => ({ transform: () => null, close: () => undefined }),
    filterRequest: () => null,
    close: () => undefined,
  };
  const proxy = { upstreamPeer: () => assert.fail(), proxyUpstreamFilter };
  const phases = withPlugins(proxy as ProxyPhases<unknown>, new PluginRow([plugin]));
  const { session } = createSession<unknown>();
  await phases.earlyRequestFilter?.(session);
  await phases.proxyUpstreamFilter?.(session);
  return session.plugins !== null;
}

test("plugins are opened for sessions that go to a server, and for no others", async () => {
  const later = async (session: Session<unknown>): Promise<boolean> => {
    await Promise.resolve();
    // Its client left meanwhile.
    session.error = new ProxyError("DOWNSTREAM_CLOSED");
    return true;
  };
  assert.equal(await isOpenedBehind(() => undefined), true);
  assert.equal(await isOpenedBehind(() => false), false);
  assert.equal(await isOpenedBehind((session) => session.respond({ status: 204 })), false);
  assert.equal(await isOpenedBehind(later), false);
});
