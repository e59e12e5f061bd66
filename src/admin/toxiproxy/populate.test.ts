import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openPaperApi, openPaperApiWithProxy, PAPER_PROXY, toldFault } from "../../../test/kit/paper-api.ts";

const ENTRY = 'struct { toxiproxy.Proxy; Enabled *bool "json:\\"enabled\\"" }';

/** A failure of a population with the proxies that stood before it. */
function failed(status: number, message: string, proxies = "null"): string {
  const error = JSON.stringify({ error: message, status });
  return `${status} ${error.slice(0, -1)},"proxies":${proxies}}`;
}

describe("a population", () => {
  test("makes what isn't there", async () => {
    const { tell } = openPaperApi();
    const body =
      '[{"name":"p","listen":"127.0.0.1:7001","upstream":"u:1"},{"name":"q","listen":"x","upstream":"u:2","enabled":false}]';
    const q = '{"name":"q","listen":"x","upstream":"u:2","enabled":false,"Logger":{},"toxics":[]}';
    assert.equal(await tell("POST", "/populate", body), `201 {"proxies":[${PAPER_PROXY},${q}]}`);
    assert.equal(await tell("GET", "/proxies"), `200 {"p":${PAPER_PROXY},"q":${q}}`);
  });

  test("of nobody makes no list", async () => {
    const { tell } = openPaperApi();
    for (const body of ["[]", "null"])
      assert.equal(await tell("POST", "/populate", body), '201 {"proxies":null}');
  });

  test("is checked before anything is made", async () => {
    const { tell } = openPaperApi();
    const unmarshal = "bad request body: json: cannot unmarshal";
    const cases: readonly (readonly [body: string, message: string])[] = [
      ["", "bad request body: EOF"],
      ["{}", `${unmarshal} object into Go value of type []${ENTRY}`],
      ["[5]", `${unmarshal} number into Go value of type ${ENTRY}`],
      ['[{"name":5}]', `${unmarshal} number into Go struct field .Proxy.name of type string`],
      ['[{"enabled":5}]', `${unmarshal} number into Go struct field .enabled of type bool`],
      ["[{}]", "missing required field: name at proxy 1"],
      ["[null]", "missing required field: name at proxy 1"],
      ['[{"name":"a","upstream":"u:1"},{"name":"x"}]', "missing required field: upstream at proxy 2"],
    ];
    for (const [body, message] of cases)
      assert.equal(await tell("POST", "/populate", body), failed(400, message));
    assert.equal(await tell("GET", "/proxies"), "200 {}");
  });

  test("doesn't touch a proxy with the same addresses", async () => {
    const { tell, steering } = await openPaperApiWithProxy();
    await tell("POST", "/proxies/p/toxics", '{"type":"noop"}');
    steering.open.set("p", []);
    const same =
      '[{"name":"p","listen":"localhost:7001","upstream":"u:1","enabled":false,"toxics":[{"type":"timeout"}]}]';
    assert.match(await tell("POST", "/populate", same), /^201 .*"enabled":true.*"noop_downstream"/);
    assert.ok(steering.open.has("p"), "it was stopped");
  });

  test("replaces a proxy with other addresses, and what it had", async () => {
    const { tell } = await openPaperApiWithProxy();
    await tell("POST", "/proxies/p/toxics", '{"type":"noop"}');
    await tell("PUT", "/proxies/p/mode", '{"kind":"latency","latency":5}');
    const body = '[{"name":"p","listen":"127.0.0.1:7001","upstream":"v:2"}]';
    assert.equal(
      await tell("POST", "/populate", body),
      `201 {"proxies":[${PAPER_PROXY.replace("u:1", "v:2")}]}`,
    );
  });

  test("gives proxies toxics and modes", async () => {
    const { tell } = await openPaperApiWithProxy();
    await tell("POST", "/proxies/p/toxics", '{"type":"noop","name":"old"}');
    const body =
      '[{"name":"p","listen":":1","upstream":"u:1","toxics":[{"type":"timeout"}],"mode":"deny"},{"name":"q","upstream":"u:2","toxics":[{"type":"noop"}]}]';
    const proxies = await tell("POST", "/populate", body);
    assert.match(
      proxies,
      /^201 .*"name":"timeout_downstream".*"mode":{"kind":"deny","cut":false}}.*"noop_downstream"/,
    );
    assert.doesNotMatch(proxies, /old/);
  });

  test("stops where it fails, with what stood before", async () => {
    const { tell } = openPaperApi();
    const body =
      '[{"name":"p","listen":"127.0.0.1:7001","upstream":"u:1"},{"name":"q","listen":"bad","upstream":"u:1"},{"name":"r","upstream":"u:1"}]';
    assert.equal(
      await tell("POST", "/populate", body),
      failed(500, "listen tcp: address bad: missing port in address", `[${PAPER_PROXY}]`),
    );
    assert.equal(await tell("GET", "/proxies/r"), toldFault(404, "proxy not found"));
  });

  test("leaves a proxy that it couldn't replace disabled, with all that it had", async () => {
    const { tell, steering } = await openPaperApiWithProxy();
    await steering.create({ name: "other", listen: "127.0.0.1:7002", upstreams: ["u:1"] });
    await tell("POST", "/proxies/p/toxics", '{"type":"noop"}');
    await tell("PUT", "/proxies/p/mode", '"deny"');
    const body = '[{"name":"p","listen":"127.0.0.1:7002","upstream":"u:1","toxics":[{"type":"timeout"}]}]';
    assert.equal(
      await tell("POST", "/populate", body),
      failed(500, "listen tcp 127.0.0.1:7002: bind: address already in use"),
    );
    const { enabled, listen, toxics, mode } = steering.get("p");
    assert.deepEqual(
      { enabled, listen, mode, toxics: toxics.map(({ name }) => name) },
      {
        enabled: false,
        listen: "127.0.0.1:7001",
        mode: { kind: "deny", cut: false },
        toxics: ["noop_downstream"],
      },
    );
  });

  test("can't make another kind of proxy of one", async () => {
    const { tell } = await openPaperApiWithProxy();
    const body = '[{"name":"p","listen":"127.0.0.1:7009","upstream":"u:1","protocol":"udp"}]';
    assert.equal(await tell("POST", "/populate", body), failed(409, "proxy p is for tcp"));
    assert.match(await tell("GET", "/proxies/p"), /"enabled":true/);
  });

  test("refuses an address that can't be one without stopping what it would replace", async () => {
    const { tell } = await openPaperApiWithProxy();
    const body = '[{"name":"p","listen":"bad","upstream":"u:1"}]';
    assert.equal(await tell("POST", "/populate", body), failed(500, "address bad: missing port in address"));
    assert.match(await tell("GET", "/proxies/p"), /"enabled":true/);
  });
});

test("a reset doesn't mind what somebody else takes away meanwhile", async () => {
  const { tell } = await openPaperApiWithProxy();
  await tell("POST", "/proxies", '{"name":"q","upstream":"u:1","enabled":false}');
  for (let i = 0; i < 9; i++) await tell("POST", "/proxies/p/toxics", `{"type":"noop","name":"t${i}"}`);
  const reset = tell("POST", "/reset");
  const others = [
    ...Array.from({ length: 9 }, (_, i) => tell("DELETE", `/proxies/p/toxics/t${8 - i}`)),
    tell("DELETE", "/proxies/q"),
  ];
  assert.equal(await reset, "204 ");
  for (const told of await Promise.all(others)) assert.match(told, /^(204|404) /);
  assert.match(await tell("GET", "/proxies"), /^200 {"p":.*"toxics":\[\]}}$/);
});

test("a reset enables all proxies and takes their faults away", async () => {
  const { tell } = await openPaperApiWithProxy();
  await tell("POST", "/proxies/p/toxics", '{"type":"noop"}');
  await tell("PUT", "/proxies/p/mode", '"deny"');
  await tell("POST", "/proxies/p", '{"enabled":false}');
  assert.equal(await tell("POST", "/reset"), "204 ");
  assert.equal(await tell("GET", "/proxies/p"), `200 ${PAPER_PROXY}`);
});
