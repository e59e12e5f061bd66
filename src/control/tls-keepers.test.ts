import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Logger, pino } from "pino";
import { createAuthority, type Identity } from "../../test/kit/certificates.ts";
import { until } from "../../test/kit/deadline.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../../test/kit/files.ts";
import { TLS_SETTINGS } from "../../test/kit/tls-listener.ts";
import { ManualAlarmClock } from "../base/alarms.ts";
import type { TlsListenerSettings, TlsMaterial } from "../net/tls/listener-settings.ts";
import { TlsKeepers } from "./tls-keepers.ts";

const authority = await createAuthority();

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly listener?: string;
  readonly problem?: string;
  readonly doubt?: string;
}

/** Keepers with a log and a folder. */
class Rig implements AsyncDisposable {
  readonly lines: LogLine[] = [];
  readonly told: [owner: string, material: TlsMaterial][] = [];
  readonly folder: TemporaryDirectory;
  readonly log: Logger;
  readonly keepers: TlsKeepers;

  constructor(folder: TemporaryDirectory) {
    this.folder = folder;
    this.log = pino({ level: "warn" }, { write: (line: string) => void this.lines.push(JSON.parse(line)) });
    this.keepers = new TlsKeepers(this.log);
    this.keepers.onMaterial = (owner, material) => this.told.push([owner, material]);
  }

  static async open(): Promise<Rig> {
    return new Rig(await createTemporaryDirectory());
  }

  async write({ cert, key }: Identity): Promise<void> {
    await this.folder.write("both.pem", `${cert}\n${key}`);
  }

  get settings(): TlsListenerSettings {
    const file = this.folder.join("both.pem");
    return {
      ...TLS_SETTINGS,
      certificates: [{ cert: file, key: file }],
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.keepers.stop();
    await this.folder[Symbol.asyncDispose]();
  }
}

describe("what the main thread keeps of TLS", () => {
  test("is the same for all threads, and a listener's own", async () => {
    await using rig = await Rig.open();
    await rig.write(await authority.issue());
    const [one, two] = await Promise.all([
      rig.keepers.open("a", rig.settings),
      rig.keepers.open("a", rig.settings),
    ]);
    const other = await rig.keepers.open("b", rig.settings);
    assert.equal(one, two);
    assert.notDeepEqual(other.ticketKeys, one.ticketKeys);
    assert.equal(other.certificates[0]?.identity, one.certificates[0]?.identity);
  });

  test("is told when it changes, logged once, and what threads that start later get", async () => {
    await using rig = await Rig.open();
    await rig.write(await authority.issue());
    const before = await rig.keepers.open("web", rig.settings);
    // As a reload may have it that is about the log alone.
    rig.log.level = "info";
    await rig.write(await authority.issue({ names: ["api.example"] }));
    await until("it is told", () => rig.told.length > 0);
    const [owner, material] = rig.told[0]!;
    assert.equal(owner, "web");
    assert.notEqual(material.certificates[0]?.identity, before.certificates[0]?.identity);
    assert.equal(await rig.keepers.open("web", rig.settings), material);
    const [line, ...more] = rig.lines;
    assert.deepEqual([line?.msg, line?.listener], ["Certificate of api.example was exchanged", "web"]);
    assert.deepEqual(more, []);
  });

  test("names problems and doubts in the log, and stays", async () => {
    await using rig = await Rig.open();
    await rig.write(await authority.issue({ days: -1 }));
    await rig.keepers.open("web", rig.settings);
    assert.match(rig.lines[0]?.doubt ?? "", /both\.pem: expired at/);
    await rig.folder.write("both.pem", "nothing");
    await until("the problem is logged", () => rig.lines.length > 1);
    assert.match(rig.lines[1]?.problem ?? "", /both\.pem: holds no certificate in PEM/);
    assert.equal(rig.told.length, 0);
  });

  test("can't begin with a bad file, which may be good the next time", async () => {
    await using rig = await Rig.open();
    await assert.rejects(rig.keepers.open("web", rig.settings), /both\.pem: there is no such file/);
    await rig.write(await authority.issue());
    await rig.keepers.open("web", rig.settings);
  });

  test("begins anew for those who were released", async () => {
    await using rig = await Rig.open();
    await rig.write(await authority.issue());
    const before = await rig.keepers.open("proxy a", rig.settings);
    rig.keepers.release("proxy a");
    assert.notDeepEqual((await rig.keepers.open("proxy a", rig.settings)).ticketKeys, before.ticketKeys);
  });
});

describe("when listeners are to have other settings", () => {
  test("ticket keys live on, files that are the same aren't read again, and nobody hears of it too early", async () => {
    await using rig = await Rig.open();
    await rig.write(await authority.issue());
    await rig.folder.write("ca.pem", authority.cert);
    const { settings } = rig;
    const [web, api] = [await rig.keepers.open("web", settings), await rig.keepers.open("api", settings)];
    await rig.keepers.open("old", settings);
    const stricter: TlsListenerSettings = {
      ...settings,
      clientCertificates: { mode: "required", ca: [rig.folder.join("ca.pem")], crl: [] },
    };
    const wanted = new Map([
      ["web", stricter],
      ["api", { ...settings, handshakes: 5 }],
      ["new", settings],
    ]);
    const stage = await rig.keepers.stage(wanted);
    const staged = await rig.keepers.open("web", stricter);
    assert.equal(staged.ca.length, 1);
    assert.deepEqual(staged.ticketKeys, web.ticketKeys);
    assert.equal(await rig.keepers.open("web", settings), web, "who runs by the old ones gets what it had");
    assert.equal(await rig.keepers.open("api", { ...settings, handshakes: 5 }), api);
    assert.equal(rig.told.length, 0);
    await stage.commit(["old"]);
    assert.deepEqual(
      rig.told.map(([owner]) => owner),
      ["web", "new"],
    );
    assert.deepEqual((await rig.keepers.open("web", stricter)).ticketKeys, web.ticketKeys);
    assert.notDeepEqual((await rig.keepers.open("old", settings)).ticketKeys, web.ticketKeys);
    await rig.write(await authority.issue({ names: ["later.example"] }));
    await rig.keepers.look();
    await until("all hear of a change", () => rig.told.length >= 5);
  });

  test("nothing changes when they can't be used, or are given up", async () => {
    await using rig = await Rig.open();
    await rig.write(await authority.issue());
    const { settings } = rig;
    const before = await rig.keepers.open("web", settings);
    const missing = { cert: rig.folder.join("none.pem"), key: rig.folder.join("none.pem") };
    const broken = { ...settings, certificates: [missing] };
    await assert.rejects(rig.keepers.stage(new Map([["web", broken]])), /none\.pem/);
    const rarer = { ...settings, ticketRotation: 5 };
    const stage = await rig.keepers.stage(new Map([["web", rarer]]));
    stage.abandon();
    assert.equal(await rig.keepers.open("web", settings), before);
    assert.equal(rig.told.length, 0);
  });

  test("those of a program's own listeners aren't known before somebody asks", async () => {
    await using rig = await Rig.open();
    await rig.write(await authority.issue());
    const { settings } = rig;
    const before = await rig.keepers.open("own", settings);
    const { cert, key } = await authority.issue({ names: ["other.example"] });
    const file = await rig.folder.write("other.pem", `${cert}\n${key}`);
    const other = { ...settings, certificates: [{ cert: file, key: file }] };
    for (const isRun of [false, true]) {
      const stage = await rig.keepers.stage(new Map());
      const next = await rig.keepers.open("own", other);
      assert.notEqual(next.certificates[0]?.identity, before.certificates[0]?.identity);
      assert.equal(await rig.keepers.open("own", settings), before);
      if (isRun) await stage.commit([]);
      else stage.abandon();
      const now = await rig.keepers.open("own", isRun ? other : settings);
      assert.equal(now.certificates[0]?.identity, (isRun ? next : before).certificates[0]?.identity);
    }
    assert.deepEqual(
      rig.told.map(([owner]) => owner),
      ["own"],
    );
  });

  test("ticket keys are changed when they would have been, however often settings change", async () => {
    await using rig = await Rig.open();
    const clock = new ManualAlarmClock();
    const keepers = new TlsKeepers(pino({ level: "silent" }), clock);
    await rig.write(await authority.issue());
    const settings = { ...rig.settings, ticketRotation: 10_000 };
    const before = await keepers.open("web", settings);
    for (const refusesUnknownNames of [true, false]) {
      clock.advance(4_000);
      const crl = refusesUnknownNames ? [] : [rig.folder.join("ca.pem")];
      await rig.folder.write("ca.pem", authority.cert);
      const other: TlsListenerSettings = {
        ...settings,
        clientCertificates: { mode: "optional", ca: crl, crl: [] },
      };
      await (await keepers.stage(new Map([["web", other]]))).commit([]);
    }
    const keys = async (): Promise<TlsMaterial["ticketKeys"]> =>
      (await keepers.open("web", settings)).ticketKeys;
    assert.deepEqual(await keys(), before.ticketKeys);
    clock.advance(2_100);
    assert.deepEqual((await keys()).slice(1), before.ticketKeys);
    keepers.stop();
  });
});
