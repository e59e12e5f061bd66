import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { describe, test } from "node:test";
import type { TLSSocket } from "node:tls";
import { type Authority, createAuthority, type Identity } from "../../../test/kit/certificates.ts";
import { captureHello } from "../../../test/kit/client-hello.ts";
import { until } from "../../../test/kit/deadline.ts";
import { listen } from "../../../test/kit/ports.ts";
import { visitSecurely } from "../../../test/kit/tls-client.ts";
import { TLS_SETTINGS } from "../../../test/kit/tls-listener.ts";
import { toCertificate } from "../../../test/kit/tls-server.ts";
import type { ClientHello } from "../../net/tls/client-hello.ts";
import type { TlsDigest } from "../../net/tls/digest.ts";
import type { TlsListenerSettings, TlsMaterial } from "../../net/tls/listener-settings.ts";
import { createTicketKey } from "../../net/tls/ticket-keys.ts";
import type { TlsFailure } from "../../net/tls/tls-acceptor.ts";
import { TlsTerminator, type TlsTerminatorListener, type TlsTerminatorOptions } from "./tls-terminator.ts";

const authority = await createAuthority();
const identity = await authority.issue();
const clients = await createAuthority({ commonName: "Clients" });
const others = await createAuthority({ commonName: "Others" });
const ticketKeys = [createTicketKey()];

function materialOf(identities: readonly Identity[], authorities: readonly Authority[] = []): TlsMaterial {
  return {
    certificates: identities.map((one) => toCertificate(one)),
    ca: authorities.map((one) => one.cert),
    crl: [],
    ticketKeys,
  };
}

/** A terminator behind a listener; what comes out of it is echoed. */
class Rig implements TlsTerminatorListener, AsyncDisposable {
  readonly heard: string[] = [];
  readonly digests: TlsDigest[] = [];
  readonly failures: TlsFailure[] = [];
  readonly terminator: TlsTerminator;
  readonly #server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) =>
    this.terminator.accept(socket),
  );
  port = 0;

  constructor(settings: Partial<TlsListenerSettings>, options: Partial<TlsTerminatorOptions>) {
    const all = { ...TLS_SETTINGS, ...settings };
    this.terminator = new TlsTerminator(
      { settings: all, material: materialOf([identity]), alpn: [], ...options },
      this,
    );
  }

  static async start(
    settings: Partial<TlsListenerSettings> = {},
    options: Partial<TlsTerminatorOptions> = {},
  ): Promise<Rig> {
    const rig = new Rig(settings, options);
    rig.port = await listen(rig.#server);
    return rig;
  }

  onSecure(socket: TLSSocket, digest: TlsDigest): void {
    this.heard.push("secure");
    this.digests.push(digest);
    socket.on("error", () => undefined).pipe(socket);
  }

  onPassed(socket: Socket, _hello: ClientHello, upstreams: readonly string[], bytes: Buffer): void {
    this.heard.push(`passed to ${upstreams}`);
    assert.equal(bytes[0], 22);
    socket.destroy();
  }

  onPlainHttp(socket: Socket, bytes: Buffer): void {
    this.heard.push(`http ${bytes}`);
    socket.destroy();
  }

  onFailed(failure: TlsFailure): void {
    this.heard.push(failure.kind);
    this.failures.push(failure);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.terminator.destroy();
    this.#server.close();
    await Promise.resolve();
  }
}

describe("a terminator", () => {
  test("secures connections, and tells each once how it ended", async () => {
    await using rig = await Rig.start(
      { passthrough: [{ names: ["far.test", "*.far.test"], upstreams: ["a:1", "b:2"] }] },
      { alpn: ["h2"] },
    );
    const visit = await visitSecurely(rig.port, { ALPNProtocols: ["h2"] });
    assert.deepEqual([visit.answer, visit.alpn], ["ping", "h2"]);
    for (const servername of ["far.test", "x.far.test"]) {
      await assert.rejects(visitSecurely(rig.port, { servername }));
    }
    const plain = connect(rig.port, "127.0.0.1");
    plain.write("GET");
    await once(plain, "close");
    const stranger = connect(rig.port, "127.0.0.1");
    stranger.write("\0");
    await once(stranger, "close");
    const ends = ["secure", "passed to a:1,b:2", "passed to a:1,b:2", "http GET", "hello"];
    assert.deepEqual(rig.heard, ends);
    assert.equal(rig.terminator.underWay, 0);
  });

  test("a program's callback may choose another certificate", async () => {
    const own = await others.issue();
    await using rig = await Rig.start({}, { callback: (name) => (name === "own.test" ? own : null) });
    assert.equal((await visitSecurely(rig.port, { servername: "own.test" })).issuer, "Others");
    assert.equal((await visitSecurely(rig.port)).issuer, "Sluice test authority");
  });

  test("clients of a program's certificate are asked who they are like all others", async () => {
    const settings = { clientCertificates: { mode: "required", ca: [], crl: [] } } as const;
    const options = { callback: () => identity, material: materialOf([identity], [clients]) };
    await using rig = await Rig.start(settings, options);
    await assert.rejects(visitSecurely(rig.port));
    await assert.rejects(visitSecurely(rig.port, await others.issue()));
    const known = await clients.issue({ commonName: "alice" });
    assert.equal((await visitSecurely(rig.port, known)).answer, "ping");
    assert.equal(rig.digests[0]?.peerCertificate?.subject, "CN=alice");
  });
});

describe("an exchange of the material", () => {
  test("lets the next connection have the new certificate, and sessions go on", async () => {
    await using rig = await Rig.start();
    const first = await visitSecurely(rig.port);
    assert.equal(first.issuer, "Sluice test authority");
    rig.terminator.set(materialOf([await others.issue()]));
    assert.equal((await visitSecurely(rig.port)).issuer, "Others");
    assert.equal((await visitSecurely(rig.port, { session: first.session! })).resumed, true);
  });

  test("with nothing usable in it changes nothing", async () => {
    await using rig = await Rig.start();
    const broken = { ...toCertificate(identity), chain: "broken", identity: "x" };
    assert.throws(() => rig.terminator.set({ ...materialOf([]), certificates: [broken] }));
    assert.throws(() => rig.terminator.set({ ...materialOf([]), certificates: [broken], ca: ["x"] }));
    assert.equal((await visitSecurely(rig.port)).issuer, "Sluice test authority");
  });

  test("doesn't disturb a handshake that has begun", async () => {
    await using rig = await Rig.start({}, { callback: () => waiting.promise });
    const waiting = Promise.withResolvers<null>();
    const visit = visitSecurely(rig.port);
    await until("it waits", () => rig.terminator.underWay === 1);
    rig.terminator.set(materialOf([await others.issue()], [clients]));
    waiting.resolve(null);
    assert.equal((await visit).answer, "ping");
  });

  for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
    test(`other authorities end the sessions that began before, ${maxVersion}`, async () => {
      const settings = { clientCertificates: { mode: "required", ca: [], crl: [] } } as const;
      await using rig = await Rig.start(settings, { material: materialOf([identity], [clients, others]) });
      const alice = { maxVersion, ...(await clients.issue()) };
      const { session } = await visitSecurely(rig.port, alice);
      assert.equal((await visitSecurely(rig.port, { ...alice, session: session! })).resumed, true);
      rig.terminator.set(materialOf([identity], [others]));
      await assert.rejects(visitSecurely(rig.port, { ...alice, session: session! }));
      await assert.rejects(visitSecurely(rig.port, alice));
      rig.terminator.set(materialOf([identity], [clients, others]));
      assert.equal((await visitSecurely(rig.port, { ...alice, session: session! })).resumed, true);
    });
  }
});

test("when it is destroyed, those in their handshake are closed and nobody hears of them", async () => {
  await using rig = await Rig.start({ handshakes: 1 });
  const sockets = [
    connect(rig.port, "127.0.0.1"),
    connect(rig.port, "127.0.0.1"),
    connect(rig.port, "127.0.0.1"),
  ];
  const hello = await captureHello();
  sockets[0]!.write(hello);
  sockets[1]!.write(hello);
  sockets[2]!.write(hello.subarray(0, 20));
  await until("all are under way", () => rig.terminator.underWay === 3);
  rig.terminator.destroy();
  for (const socket of sockets) socket.on("error", () => undefined).resume();
  await until("all are closed", () => sockets.every((socket) => socket.closed));
  assert.deepEqual(rig.heard, []);
});
