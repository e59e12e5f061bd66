import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HttpClient } from "../../src/proxy/http-client.ts";
import { HttpPeer, type PeerOptions } from "../../src/upstream/peer.ts";
import { createAuthority } from "../kit/certificates.ts";
import { type Origin, startOrigin } from "../kit/origins.ts";

const authority = await createAuthority();
const ca = authority.cert;
const good = await authority.issue({ names: ["good.test"] });

async function start(http2: boolean, tls: object = {}): Promise<Origin> {
  return startOrigin({ http2, tls: { ...good, ...tls } });
}

async function get(client: HttpClient, origin: Origin, options: PeerOptions, target = "/"): Promise<string> {
  const response = await client.request(new HttpPeer(`127.0.0.1:${origin.port}`, options), { target });
  return `${response.status} ${await response.text()}`;
}

describe("what is spoken", () => {
  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    const tls = { ca, sni: "good.test", maxVersion };
    for (const [protocol, isHttp2Server, version] of [
      ["auto", true, "2.0"],
      ["auto", false, "1.1"],
      ["http1", true, "1.1"],
      ["http1", false, "1.1"],
      ["h2", true, "2.0"],
    ] as const) {
      test(`${protocol} with a server of ${isHttp2Server ? "both" : "HTTP/1"}, ${maxVersion}`, async () => {
        await using origin = await start(isHttp2Server);
        using client = new HttpClient();
        for (let i = 0; i < 3; i++)
          assert.equal(await get(client, origin, { tls, protocol }), "200 origin\n");
        assert.deepEqual(
          origin.requests.map(({ httpVersion }) => httpVersion),
          [version, version, version],
        );
        assert.equal(origin.connectionCount, 1);
      });
    }
  }
});
