import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Http2Error } from "./error-codes.ts";
import { DEFAULT_LOCAL_SETTINGS, PeerSettings, SettingId, toSettingList } from "./settings.ts";

const { NoError, ProtocolError, FlowControlError } = Http2Error;

describe("a peer's settings", () => {
  test("begin with what the RFC takes for granted", () => {
    const settings = new PeerSettings("server");
    assert.equal(settings.headerTableSize, 4096);
    assert.equal(settings.enablePush, true);
    assert.equal(settings.maxConcurrentStreams, Number.POSITIVE_INFINITY);
    assert.equal(settings.initialWindowSize, 65_535);
    assert.equal(settings.maxFrameSize, 16_384);
    assert.equal(settings.maxHeaderListSize, Number.POSITIVE_INFINITY);
    assert.equal(settings.enableConnectProtocol, false);
    assert.equal(settings.noRfc7540Priorities, false);
  });

  test("are taken one by one", () => {
    const settings = new PeerSettings("client");
    const taken: [number, number][] = [
      [SettingId.HeaderTableSize, 0xffffffff],
      [SettingId.EnablePush, 0],
      [SettingId.MaxConcurrentStreams, 0],
      [SettingId.InitialWindowSize, 0x7fffffff],
      [SettingId.MaxFrameSize, 16_777_215],
      [SettingId.MaxHeaderListSize, 7],
      [SettingId.EnableConnectProtocol, 1],
      [SettingId.NoRfc7540Priorities, 1],
      [0x7, 99],
      [0xffff, 0xffffffff],
      [0, 1],
    ];
    for (const [id, value] of taken) assert.equal(settings.apply(id, value), NoError, `${id}`);
    assert.equal(settings.headerTableSize, 0xffffffff);
    assert.equal(settings.enablePush, false);
    assert.equal(settings.maxConcurrentStreams, 0);
    assert.equal(settings.initialWindowSize, 0x7fffffff);
    assert.equal(settings.maxFrameSize, 16_777_215);
    assert.equal(settings.maxHeaderListSize, 7);
    assert.equal(settings.enableConnectProtocol, true);
    assert.equal(settings.noRfc7540Priorities, true);
  });

  test("out of range are errors of the connection, and change nothing", () => {
    const settings = new PeerSettings("server");
    assert.equal(settings.apply(SettingId.EnablePush, 2), ProtocolError);
    assert.equal(settings.apply(SettingId.InitialWindowSize, 0x80000000), FlowControlError);
    assert.equal(settings.apply(SettingId.InitialWindowSize, 0xffffffff), FlowControlError);
    assert.equal(settings.apply(SettingId.MaxFrameSize, 16_383), ProtocolError);
    assert.equal(settings.apply(SettingId.MaxFrameSize, 16_777_216), ProtocolError);
    assert.equal(settings.apply(SettingId.EnableConnectProtocol, 2), ProtocolError);
    assert.equal(settings.apply(SettingId.NoRfc7540Priorities, 2), ProtocolError);
    assert.deepEqual(settings, new PeerSettings("server"));
  });

  test("a client may turn push on, a server may not", () => {
    assert.equal(new PeerSettings("server").apply(SettingId.EnablePush, 1), NoError);
    assert.equal(new PeerSettings("client").apply(SettingId.EnablePush, 1), ProtocolError);
    assert.equal(new PeerSettings("client").apply(SettingId.EnablePush, 0), NoError);
  });

  test("extended CONNECT isn't taken back", () => {
    const settings = new PeerSettings("client");
    assert.equal(settings.apply(SettingId.EnableConnectProtocol, 0), NoError);
    assert.equal(settings.apply(SettingId.EnableConnectProtocol, 1), NoError);
    assert.equal(settings.apply(SettingId.EnableConnectProtocol, 1), NoError);
    assert.equal(settings.apply(SettingId.EnableConnectProtocol, 0), ProtocolError);
  });
});

describe("what we say of ourselves", () => {
  test("is what differs from the defaults", () => {
    assert.deepEqual(toSettingList("client", DEFAULT_LOCAL_SETTINGS), [
      [SettingId.EnablePush, 0],
      [SettingId.MaxHeaderListSize, 65_536],
    ]);
    assert.deepEqual(toSettingList("server", DEFAULT_LOCAL_SETTINGS), [
      [SettingId.MaxConcurrentStreams, 128],
      [SettingId.MaxHeaderListSize, 65_536],
      [SettingId.NoRfc7540Priorities, 1],
    ]);
  });

  test("is all of it where all differs", () => {
    const settings = {
      headerTableSize: 1,
      maxConcurrentStreams: 2,
      initialWindowSize: 3,
      maxFrameSize: 20_000,
      maxHeaderListSize: 5,
      enableConnectProtocol: true,
    };
    const list = toSettingList("server", settings);
    const ids = [1, 3, 4, 5, 6, 8, 9];
    assert.deepEqual(
      list,
      ids.map((id, i) => [id, [1, 2, 3, 20_000, 5, 1, 1][i]]),
    );
  });

  test("is something that a peer like us takes", () => {
    for (const role of ["server", "client"] as const) {
      const peer = new PeerSettings(role === "server" ? "client" : "server");
      const settings = { ...DEFAULT_LOCAL_SETTINGS, enableConnectProtocol: true };
      for (const [id, value] of toSettingList(role, settings)) assert.equal(peer.apply(id, value), NoError);
    }
  });
});
