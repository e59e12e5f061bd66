import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { connect, createServer, type TLSSocket } from "node:tls";
import { type AuthorityOptions, createAuthority, type Identity } from "./certificates.ts";
import { listen } from "./ports.ts";

interface Handshake {
  readonly identity: Identity;
  readonly ca: string;
  readonly client?: Identity;
  readonly servername?: string;
}

/** Shakes hands once, and returns whether each side could verify the other. */
async function shakeHands({ identity, ca, client, servername }: Handshake): Promise<boolean[]> {
  const server = createServer({
    ...identity,
    ca,
    requestCert: client !== undefined,
    rejectUnauthorized: false,
  });
  const accepted = once(server, "secureConnection");
  const port = await listen(server);
  const name = servername === undefined ? {} : { servername };
  const socket = connect({ port, host: "127.0.0.1", ca, ...client, ...name });
  try {
    await once(socket, "secureConnect");
    const [peer] = (await accepted) as [TLSSocket];
    peer.destroy();
    return [socket.authorized, peer.authorized];
  } finally {
    socket.destroy();
    server.close();
  }
}

describe("the authority", () => {
  for (const keyType of ["ec", "rsa"] as const satisfies AuthorityOptions["keyType"][]) {
    test(`issues ${keyType} certificates that verify against it`, async () => {
      const authority = await createAuthority({ keyType });
      const identity = await authority.issue();
      const client = await authority.issue({ names: ["client"] });
      assert.deepEqual(await shakeHands({ identity, ca: authority.cert, client }), [true, true]);
    });
  }

  test("issues for names", async () => {
    const authority = await createAuthority();
    const identity = await authority.issue({ names: ["a.test", "*.b.test"] });
    const ca = authority.cert;
    assert.deepEqual(await shakeHands({ identity, ca, servername: "a.test" }), [true, false]);
    assert.deepEqual(await shakeHands({ identity, ca, servername: "x.b.test" }), [true, false]);
    await assert.rejects(shakeHands({ identity, ca, servername: "c.test" }), {
      code: "ERR_TLS_CERT_ALTNAME_INVALID",
    });
  });

  test("is not trusted for the certificates of another", async () => {
    const [one, other] = await Promise.all([createAuthority(), createAuthority({ commonName: "Other" })]);
    const identity = await one.issue();
    await assert.rejects(shakeHands({ identity, ca: other.cert }), /unable to (verify|get)/);
  });

  test("issues certificates that have ended", async () => {
    const authority = await createAuthority();
    const identity = await authority.issue({ days: -1 });
    await assert.rejects(shakeHands({ identity, ca: authority.cert }), { code: "CERT_HAS_EXPIRED" });
  });
});
