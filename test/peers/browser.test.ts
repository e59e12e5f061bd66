import assert from "node:assert/strict";
import { test } from "node:test";
import type { Session } from "../../src/proxy/session.ts";
import { HttpPeer } from "../../src/upstream/peer.ts";
import { startSecureProxy } from "../e2e/tls-proxy.ts";
import { startPageServer } from "../kit/browser-page.ts";
import { CHROMIUM_FLAGS } from "../kit/chromium.ts";
import { withDeadline } from "../kit/deadline.ts";
import { createTemporaryDirectory } from "../kit/files.ts";
import { findProgram, skipWithout } from "../kit/peer.ts";
import { startProgram } from "../kit/process.ts";

const RESOURCES = 200;
/** A browser takes its time to start on a busy machine, milliseconds. */
const PATIENCE = 45_000;

test(`Chromium loads ${RESOURCES} resources and a WebSocket over one connection`, {
  skip: skipWithout("chromium"),
  timeout: 2 * PATIENCE,
}, async () => {
  await using folder = await createTemporaryDirectory();
  await using page = await startPageServer(RESOURCES);
  const upstreamPeer = (): HttpPeer => new HttpPeer(page.address);
  const connections = new Set<number>();
  const requestFilter = ({ client, request }: Session): boolean => {
    assert.equal(request.protocol, "HTTP/2");
    connections.add(client.port);
    return false;
  };
  await using secure = await startSecureProxy({ phases: { requestFilter, upstreamPeer } });
  const { proxy } = secure;
  const url = `https://localhost:${proxy.port}/`;
  const flags = [...CHROMIUM_FLAGS, `--user-data-dir=${folder.path}`, url];
  await using browser = await startProgram(findProgram("chromium")!, flags);
  const report = await withDeadline(page.report, PATIENCE, () => `the page: ${browser.stderr.slice(-2000)}`);
  assert.deepEqual(report, { protocols: { h2: RESOURCES }, failed: 0, echo: "over one connection" });
  assert.equal(page.upgrades(), 1);
  // It may have connected beforehand as well, and not have used that.
  assert.equal(connections.size, 1);
  // The page, its report and the WebSocket are streams too.
  assert.ok(proxy.count("http2Streams") >= RESOURCES + 3);
  assert.equal(proxy.count("http2Floods"), 0);
});
