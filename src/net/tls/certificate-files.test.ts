import assert from "node:assert/strict";
import { rename } from "node:fs/promises";
import { describe, test } from "node:test";
import { createAuthority, type Identity } from "../../../test/kit/certificates.ts";
import { until } from "../../../test/kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../../test/kit/files.ts";
import { visitSecurely } from "../../../test/kit/tls-client.ts";
import { startTlsServer, type TlsServer, toCertificate } from "../../../test/kit/tls-server.ts";
import { threadAlarms } from "../../base/alarms.ts";
import { CertificateFiles, type CertificateListener } from "./certificate-files.ts";
import { CertificateStore, type CertificateStoreOptions } from "./certificate-store.ts";
import { TicketKeys } from "./ticket-keys.ts";

const settings = { alpn: [], clientCertificates: null };
const authority = await createAuthority();

function createStore(options: Partial<CertificateStoreOptions> = {}): CertificateStore {
  return new CertificateStore({ settings, keys: new TicketKeys(), refusesUnknownNames: false, ...options });
}

/** A store that follows files, behind a server. */
class Rig implements CertificateListener, AsyncDisposable {
  readonly problems: string[] = [];
  readonly doubts: string[] = [];
  changes = 0;
  readonly store = createStore();
  readonly folder: TemporaryDirectory;
  readonly files: CertificateFiles;
  server!: TlsServer;

  constructor(folder: TemporaryDirectory) {
    this.folder = folder;
    const source = { cert: folder.join("cert.pem"), key: folder.join("key.pem") };
    this.files = new CertificateFiles([source], threadAlarms, this);
  }

  static async start(identity: Identity): Promise<Rig> {
    const rig = new Rig(await createTemporaryDirectory());
    await rig.write(identity);
    rig.store.set(await rig.files.load());
    await rig.files.watch();
    rig.server = await startTlsServer({ choose: (hello) => rig.store.choose(hello) });
    return rig;
  }

  /** Each file is replaced in one step, one after the other. */
  async write({ cert, key }: Identity): Promise<void> {
    for (const [name, text] of [
      ["cert.pem", cert],
      ["key.pem", key],
    ] as const) {
      await rename(await this.folder.write(`${name}.new`, text), this.folder.join(name));
    }
  }

  async issuer(): Promise<string> {
    return (await visitSecurely(this.server.port)).issuer;
  }

  onCertificates(certificates: Parameters<CertificateListener["onCertificates"]>[0]): void {
    this.changes++;
    this.store.set(certificates);
  }

  onProblem(problem: string): void {
    this.problems.push(problem);
  }

  onDoubt(doubt: string): void {
    this.doubts.push(doubt);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.files.stop();
    await this.server?.[Symbol.asyncDispose]();
    await this.folder[Symbol.asyncDispose]();
  }
}

async function issueBy(commonName: string): Promise<Identity> {
  return (await createAuthority({ commonName })).issue();
}

describe("certificates from files", () => {
  test("are exchanged while connections come, and no handshake fails", async () => {
    await using rig = await Rig.start(await issueBy("0"));
    for (let round = 1; round <= 5; round++) {
      await rig.write(await issueBy(String(round)));
      await until(`certificate ${round} is served`, async () => (await rig.issuer()) === String(round), {
        every: 1,
      });
    }
    assert.deepEqual([rig.server.failures, rig.problems], [[], []]);
  });

  test("that can't be used leave what was there, and are told of once", async () => {
    await using rig = await Rig.start(await issueBy("good"));
    await rig.folder.write("cert.pem", "half a file");
    await until("it is told", () => rig.problems.length > 0);
    await rig.files.look();
    assert.deepEqual(rig.problems, [`${rig.folder.join("cert.pem")}: holds no certificate in PEM`]);
    assert.equal(await rig.issuer(), "good");
    await rig.write(await issueBy("better"));
    await until("it is served", async () => (await rig.issuer()) === "better");
    assert.equal(rig.changes, 1);
  });

  test("must all be good at the start", async () => {
    await using folder = await createTemporaryDirectory();
    await using rig = new Rig(folder);
    await assert.rejects(rig.files.load(), /cert\.pem: there is no such file/);
  });

  test("that have expired are used, with a word", async () => {
    await using rig = await Rig.start(await authority.issue({ days: -1 }));
    assert.match(rig.doubts[0]!, /cert\.pem: expired at/);
    assert.equal(await rig.issuer(), "Sluice test authority");
  });
});

describe("a store", () => {
  test("refuses names that it doesn't know, if it is to", async () => {
    const store = createStore({ refusesUnknownNames: true });
    const hello = { alpn: [], versions: [], offersSession: false, wantsStatus: false };
    assert.equal(store.choose({ ...hello, serverName: "" }), "refuse");
    store.set([toCertificate(await authority.issue({ names: ["a.test"] }))]);
    const context = store.choose({ ...hello, serverName: "a.test" });
    assert.equal(store.choose({ ...hello, serverName: "" }), context);
    assert.equal(store.choose({ ...hello, serverName: "b.test" }), "refuse");
  });

  test("keeps the contexts of certificates that stay", async () => {
    const store = createStore();
    const hello = { serverName: "a.test", alpn: [], versions: [], offersSession: false, wantsStatus: false };
    const stays = toCertificate(await authority.issue({ names: ["a.test"] }));
    store.set([stays]);
    const context = store.choose(hello);
    store.set([toCertificate(await authority.issue({ names: ["b.test"] })), stays]);
    assert.equal(store.choose(hello), context);
    assert.throws(() => store.set([stays, { ...stays, chain: "broken", identity: "x", names: ["c.test"] }]));
    assert.equal(store.choose(hello), context);
  });

  test("asks a program first, which may take its time", async () => {
    const [own, later] = [await issueBy("own"), await issueBy("later")];
    const store = createStore({
      callback: (name, alpn) => {
        if (name === "own.test") return own;
        if (alpn.includes("later")) return Promise.resolve(later);
        if (name === "bad.test") return { cert: own.cert, key: later.key };
        return name === "null.test" ? Promise.resolve(null) : null;
      },
    });
    store.set([toCertificate(await issueBy("stored"))]);
    await using server = await startTlsServer({ choose: (hello) => store.choose(hello) });
    const issuer = async (servername: string, ...alpn: string[]): Promise<string> => {
      const more = alpn.length === 0 ? {} : { ALPNProtocols: alpn };
      return (await visitSecurely(server.port, { servername, ...more })).issuer;
    };
    assert.equal(await issuer("own.test"), "own");
    assert.equal(await issuer("x.test", "later"), "later");
    assert.equal(await issuer("null.test"), "stored");
    assert.equal(await issuer("x.test"), "stored");
    await assert.rejects(issuer("bad.test"), /alert internal error/);
    assert.match((await server.failure()).cause?.message ?? "", /program's key: is not the key of/);
  });
});
