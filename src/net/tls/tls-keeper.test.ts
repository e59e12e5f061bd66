import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createAuthority } from "../../../test/kit/certificates.ts";
import { until } from "../../../test/kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../../test/kit/files.ts";
import { skipWithout } from "../../../test/kit/peer.ts";
import { createRevocationList } from "../../../test/kit/revocation.ts";
import { TLS_SETTINGS } from "../../../test/kit/tls-listener.ts";
import { type AlarmClock, ManualAlarmClock, threadAlarms } from "../../base/alarms.ts";
import type { TlsListenerSettings, TlsMaterial } from "./listener-settings.ts";
import { type TlsChange, TlsKeeper, type TlsKeeperListener } from "./tls-keeper.ts";

const HOUR = 3_600_000;
const authority = await createAuthority();
const clients = await createAuthority({ commonName: "Clients" });
const [first, second] = [await authority.issue({ names: ["a.test"] }), await authority.issue()];

/** A keeper of one certificate and of the clients' authority, in a folder of its own. */
class Rig implements TlsKeeperListener, AsyncDisposable {
  readonly materials: TlsMaterial[] = [];
  readonly changes: TlsChange[] = [];
  readonly problems: string[] = [];
  readonly doubts: string[] = [];
  readonly folder: TemporaryDirectory;
  readonly keeper: TlsKeeper;

  constructor(folder: TemporaryDirectory, clock: AlarmClock, more: Partial<TlsListenerSettings> = {}) {
    this.folder = folder;
    this.keeper = new TlsKeeper({ ...settingsIn(folder), ...more }, clock, this);
  }

  static async open(clock: AlarmClock, more: Partial<TlsListenerSettings> = {}): Promise<Rig> {
    const folder = await createTemporaryDirectory();
    await folder.write("cert.pem", first.cert);
    await folder.write("key.pem", first.key);
    await folder.write("ca.pem", clients.cert);
    return new Rig(folder, clock, more);
  }

  onMaterial(material: TlsMaterial, change: TlsChange): void {
    this.materials.push(material);
    this.changes.push(change);
  }

  onProblem(problem: string): void {
    this.problems.push(problem);
  }

  onDoubt(doubt: string): void {
    this.doubts.push(doubt);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.keeper.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

function settingsIn(folder: TemporaryDirectory): TlsListenerSettings {
  return {
    ...TLS_SETTINGS,
    certificates: [{ cert: folder.join("cert.pem"), key: folder.join("key.pem") }],
    clientCertificates: { mode: "required", ca: [folder.join("ca.pem")], crl: [] },
    ticketRotation: 12 * HOUR,
  };
}

describe("what a listener's TLS is made of", () => {
  test("is all there after it was loaded", async () => {
    await using rig = await Rig.open(new ManualAlarmClock());
    const { certificates, ca, crl, ticketKeys } = await rig.keeper.load();
    assert.deepEqual(certificates[0]?.names, ["a.test"]);
    assert.deepEqual([ca.length, crl, ticketKeys.length, ticketKeys[0]?.length], [1, [], 1, 48]);
    assert.equal(rig.keeper.material.certificates, certificates);
  });

  test("is given again as a whole when a certificate or an authority is another one", async () => {
    await using rig = await Rig.open(threadAlarms);
    const before = await rig.keeper.load();
    await rig.keeper.watch();
    await rig.folder.write("cert.pem", second.cert);
    await rig.folder.write("key.pem", second.key);
    await until("the certificate is another one", () => rig.materials.length === 1);
    await rig.folder.write("ca.pem", authority.cert + clients.cert);
    await until("the authorities are others", () => rig.materials.length === 2);
    assert.deepEqual(
      rig.changes.map(({ kind }) => kind),
      ["certificates", "clients"],
    );
    const [, after] = rig.materials as [TlsMaterial, TlsMaterial];
    assert.notEqual(after.certificates[0]?.identity, before.certificates[0]?.identity);
    assert.equal(after.ca.length, 2);
    assert.deepEqual(after.ticketKeys, before.ticketKeys);
    assert.deepEqual(rig.problems, []);
  });

  test("stays as it was when a file becomes unusable, which is told once", async () => {
    await using rig = await Rig.open(new ManualAlarmClock());
    const before = await rig.keeper.load();
    await rig.folder.write("cert.pem", "half a file");
    await rig.folder.write("ca.pem", "");
    for (let round = 0; round < 4; round++) await rig.keeper.look();
    assert.deepEqual(rig.problems.toSorted(), [
      `${rig.folder.join("ca.pem")}: holds no certificate in PEM`,
      `${rig.folder.join("cert.pem")}: holds no certificate in PEM`,
    ]);
    assert.deepEqual([rig.materials, rig.keeper.material], [[], before]);
  });

  test("names the file that is wrong at the start", async () => {
    await using rig = await Rig.open(new ManualAlarmClock());
    await rig.folder.write("ca.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    await assert.rejects(rig.keeper.load(), {
      name: "CertificateError",
      message: /ca\.pem: certificate 1 can't be read/,
    });
  });
});

test("certificates that come to their end are told of every day", async () => {
  const clock = new ManualAlarmClock();
  await using rig = await Rig.open(clock);
  const short = await authority.issue({ names: ["a.test"], days: 0.05 });
  await rig.folder.write("cert.pem", short.cert);
  await rig.folder.write("key.pem", short.key);
  await rig.keeper.load();
  await rig.keeper.watch();
  clock.advance(24 * HOUR);
  clock.advance(24 * HOUR);
  assert.equal(rig.doubts.length, 3);
  for (const doubt of rig.doubts) assert.match(doubt, /cert\.pem: expires at 2/);
});

describe("ticket keys", () => {
  test("follow each other: the new one seals, two before it still open", async () => {
    const clock = new ManualAlarmClock();
    await using rig = await Rig.open(clock);
    const { ticketKeys: original } = await rig.keeper.load();
    await rig.keeper.watch();
    clock.advance(12 * HOUR);
    clock.advance(12 * HOUR);
    clock.advance(12 * HOUR);
    const keys = rig.materials.map(({ ticketKeys }) => ticketKeys);
    assert.deepEqual(
      keys.map(({ length }) => length),
      [2, 3, 3],
    );
    assert.deepEqual(keys[1], [keys[1]![0], keys[0]![0], original[0]]);
    assert.deepEqual(keys[2]!.slice(1), keys[1]!.slice(0, 2));
    assert.deepEqual(rig.changes, [{ kind: "tickets" }, { kind: "tickets" }, { kind: "tickets" }]);
  });

  test("stay for ever where no rotation is wanted, and after the end", async () => {
    const clock = new ManualAlarmClock();
    await using never = await Rig.open(clock, { ticketRotation: 0 });
    await using ended = await Rig.open(clock);
    for (const { keeper } of [never, ended]) {
      await keeper.load();
      await keeper.watch();
    }
    ended.keeper.stop();
    clock.advance(1_000 * HOUR);
    assert.deepEqual([never.materials, ended.materials], [[], []]);
  });
});

describe("lists of revoked certificates", { skip: skipWithout("openssl") }, () => {
  test("are taken apart, several in one file", async () => {
    const lists = [
      await createRevocationList(clients, [(await clients.issue()).cert]),
      await createRevocationList(authority, []),
    ];
    const clock = new ManualAlarmClock();
    const folder = await createTemporaryDirectory();
    const file = await folder.write("crl.pem", lists.join("\n"));
    const ca = [await folder.write("ca.pem", clients.cert)];
    await using rig = new Rig(folder, clock, {
      certificates: [],
      clientCertificates: { mode: "optional", ca, crl: [file] },
    });
    assert.equal((await rig.keeper.load()).crl.length, 2);
    await folder.write("crl.pem", lists[0]!);
    await rig.keeper.look();
    assert.equal(rig.keeper.material.crl.length, 1);
    assert.deepEqual(rig.changes, [{ kind: "clients", files: [file] }]);
    // Somebody is still writing it: a list that is missing would let in nobody.
    await folder.write("crl.pem", lists.join("\n").slice(0, -100));
    await rig.keeper.look();
    assert.equal(rig.keeper.material.crl.length, 1);
    assert.equal(rig.changes.length, 1);
  });

  test("and authorities that count no more are doubtful", async () => {
    await using folder = await createTemporaryDirectory();
    const old = await clients.issue({ days: -1 });
    const ca = [await folder.write("ca.pem", `${clients.cert}\n${old.cert}`)];
    const crl = [await folder.write("crl.pem", await createRevocationList(clients, [], "20200101000000Z"))];
    const settings = { certificates: [], clientCertificates: { mode: "required", ca, crl } } as const;
    await using rig = new Rig(folder, new ManualAlarmClock(), settings);
    await rig.keeper.load();
    assert.match(rig.doubts[0] ?? "", /ca\.pem: certificate 2 expired at /);
    assert.match(rig.doubts[1] ?? "", /crl\.pem: list 1 expired at 2020-01-01T00:00:00\.000Z$/);
  });

  test("must be such lists", async () => {
    await using folder = await createTemporaryDirectory();
    const ca = [await folder.write("ca.pem", clients.cert)];
    for (const [text, problem] of [
      [clients.cert, /crl\.pem: holds no list of revoked certificates in PEM/],
      ["-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", /crl\.pem: its list .* can't be read/],
    ] as const) {
      const crl = [await folder.write("crl.pem", text)];
      const keeper = new TlsKeeper(
        {
          ...settingsIn(folder),
          certificates: [],
          clientCertificates: { mode: "required", ca, crl },
        },
        new ManualAlarmClock(),
        { onMaterial: () => undefined, onProblem: () => undefined, onDoubt: () => undefined },
      );
      await assert.rejects(keeper.load(), problem);
    }
  });
});
