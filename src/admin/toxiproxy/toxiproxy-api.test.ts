import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openPaperApi, openPaperApiWithProxy, PAPER_PROXY, toldFault } from "../../../test/kit/paper-api.ts";

describe("proxies", () => {
  test("are made, shown, changed and deleted", async () => {
    const { tell } = openPaperApi();
    assert.equal(
      await tell("POST", "/proxies", '{"name":"p","listen":"127.0.0.1:7001","upstream":"u:1"}'),
      `201 ${PAPER_PROXY}`,
    );
    assert.equal(await tell("GET", "/proxies/p"), `200 ${PAPER_PROXY}`);
    assert.equal(await tell("GET", "/proxies"), `200 {"p":${PAPER_PROXY}}`);
    const disabled = PAPER_PROXY.replace("true", "false");
    assert.equal(await tell("POST", "/proxies/p", '{"enabled":false,"name":"q"}'), `200 ${disabled}`);
    const moved = disabled.replace("u:1", "v:2");
    assert.equal(await tell("PATCH", "/proxies/p", '{"upstream":"v:2"}'), `200 ${moved}`);
    assert.equal(await tell("DELETE", "/proxies/p"), "204 ");
    assert.equal(await tell("GET", "/proxies/p"), toldFault(404, "proxy not found"));
    assert.equal(await tell("GET", "/proxies"), "200 {}");
  });

  test("are sorted by name, numbers as names too", async () => {
    const { tell, steering } = openPaperApi();
    for (const name of ["b", "10", "a", "9"])
      await steering.create({ name, listen: "x", upstreams: ["u:1"], enabled: false });
    const names = [...(await tell("GET", "/proxies")).matchAll(/"name":"(\w+)"/g)].map(([, name]) => name);
    assert.deepEqual(names, ["10", "9", "a", "b"]);
  });

  test("listen anywhere when they aren't told where", async () => {
    const { tell } = openPaperApi();
    assert.match(await tell("POST", "/proxies", '{"name":"p","upstream":"u:1"}'), /"listen":"\[::\]:40001"/);
    assert.match(
      await tell("POST", "/proxies", '{"name":"q","listen":"localhost:0","upstream":"u:1"}'),
      /"127.0.0.1:40002"/,
    );
  });

  test("keep an address as it was written while they are disabled", async () => {
    const { tell } = openPaperApi();
    const body = '{"name":"p","listen":"bogus","upstream":"u:1","enabled":false}';
    assert.match(await tell("POST", "/proxies", body), /^201 .*"listen":"bogus".*"enabled":false/);
    assert.equal(
      await tell("POST", "/proxies/p", '{"enabled":true}'),
      toldFault(500, "address bogus: missing port in address"),
    );
    assert.equal(
      await tell("POST", "/reset"),
      toldFault(500, "listen tcp: address bogus: missing port in address"),
    );
    assert.match(await tell("PATCH", "/proxies/p", '{"listen":""}'), /^200 .*"listen":"".*"enabled":false/);
    assert.match(
      await tell("PATCH", "/proxies/p", '{"enabled":true}'),
      /^200 .*"listen":"\[::\]:40001".*"enabled":true/,
    );
  });

  test("are refused with what is wrong first", async () => {
    const { tell } = await openPaperApiWithProxy();
    const cases: readonly (readonly [body: string, status: number, message: string])[] = [
      ["", 400, "bad request body: EOF"],
      ["{", 400, "bad request body: unexpected EOF"],
      ["null", 400, "missing required field: name"],
      ["{}", 400, "missing required field: name"],
      ['{"name":"x"}', 400, "missing required field: upstream"],
      [
        '{"name":5}',
        400,
        "bad request body: json: cannot unmarshal number into Go struct field Proxy.name of type string",
      ],
      ["[]", 400, "bad request body: json: cannot unmarshal array into Go value of type toxiproxy.Proxy"],
      ['{"name":"p","upstream":"u:1","listen":"bogus"}', 409, "proxy already exists"],
      [
        '{"name":"x","upstream":"u:1","listen":"bogus"}',
        500,
        "listen tcp: address bogus: missing port in address",
      ],
      [
        '{"name":"x","upstream":"u:1","listen":"127.0.0.1:7001"}',
        500,
        "listen tcp 127.0.0.1:7001: bind: address already in use",
      ],
      [
        '{"name":"x","upstream":"u:1","protocol":"icmp"}',
        400,
        "protocol was invalid, can be either tcp or udp",
      ],
      [
        '{"name":"x","upstream":"u:1","toxics":5}',
        400,
        "bad request body: json: cannot unmarshal number into Go struct field Proxy.toxics of type []toxics.ToxicWrapper",
      ],
    ];
    for (const [body, status, message] of cases)
      assert.equal(await tell("POST", "/proxies", body), toldFault(status, message));
    assert.equal(await tell("GET", "/proxies"), `200 {"p":${PAPER_PROXY}}`);
  });

  test("can have a server that nobody could reach refused", async () => {
    const { tell } = openPaperApi();
    assert.match(
      await tell("POST", "/proxies", '{"name":"x","upstream":"nowhere"}'),
      /^400 .*upstream: Address/,
    );
  });

  test("aren't touched by an address that means the same", async () => {
    const { tell, steering } = await openPaperApiWithProxy();
    steering.open.set("p", []);
    assert.equal(
      await tell("POST", "/proxies/p", '{"listen":"localhost:7001","enabled":true}'),
      `200 ${PAPER_PROXY}`,
    );
    assert.ok(steering.open.has("p"), "it was stopped");
  });

  test("that are listeners of a configuration can't be changed", async () => {
    const { tell, steering } = openPaperApi();
    steering.addListener("web", "127.0.0.1:80");
    assert.match(await tell("GET", "/proxies/web"), /"toxics":\[\],"protocol":"http"}$/);
    assert.match(await tell("POST", "/proxies/web", '{"enabled":true}'), /^200 /);
    assert.match(await tell("POST", "/proxies/web", '{"enabled":false}'), /^409 .*configuration/);
    assert.match(await tell("DELETE", "/proxies/web"), /^409 /);
    assert.match(await tell("POST", "/proxies/web/toxics", '{"type":"latency"}'), /^200 /);
  });
});

describe("a proxy made in one call", () => {
  test("has the toxics, the mode and the protocol that it was given", async () => {
    const { tell } = openPaperApi();
    const body = JSON.stringify({
      name: "p",
      listen: "127.0.0.1:7001",
      upstream: "u:1, u:2",
      protocol: "udp",
      mode: { kind: "throttle", rate: 1000 },
      toxics: [
        { type: "latency", attributes: { latency: 5 } },
        { type: "limit_data", stream: "upstream", name: "l" },
      ],
    });
    assert.equal(
      await tell("POST", "/proxies", body),
      '201 {"name":"p","listen":"127.0.0.1:7001","upstream":"u:1,u:2","enabled":true,"Logger":{},"toxics":[' +
        '{"attributes":{"latency":5,"jitter":0},"name":"latency_downstream","type":"latency","stream":"downstream","toxicity":1},' +
        '{"attributes":{"bytes":0},"name":"l","type":"limit_data","stream":"upstream","toxicity":1}],' +
        '"protocol":"udp","mode":{"kind":"throttle","rate":1000,"stream":"both"}}',
    );
  });

  test("isn't made when one of its toxics can't be", async () => {
    const { tell } = openPaperApi();
    const withToxics = (toxics: unknown): string => JSON.stringify({ name: "p", upstream: "u:1", toxics });
    assert.equal(
      await tell("POST", "/proxies", withToxics([{ type: "x" }])),
      toldFault(400, "invalid toxic type"),
    );
    assert.equal(await tell("POST", "/proxies", withToxics([null])), toldFault(400, "invalid toxic type"));
    const twice = [{ type: "noop" }, { type: "noop" }];
    assert.equal(await tell("POST", "/proxies", withToxics(twice)), toldFault(409, "toxic already exists"));
    assert.equal(await tell("GET", "/proxies"), "200 {}");
  });
});

describe("toxics", () => {
  const JITTERY =
    '{"attributes":{"latency":5,"jitter":1},"name":"slow","type":"latency","stream":"UpStream","toxicity":0.3}';

  test("are added, shown, changed and removed", async () => {
    const { tell } = await openPaperApiWithProxy();
    const body =
      '{"name":"slow","type":"latency","stream":"UpStream","toxicity":0.3,"attributes":{"latency":5,"JITTER":1}}';
    assert.equal(await tell("POST", "/proxies/p/toxics", body), `200 ${JITTERY}`);
    assert.equal(await tell("GET", "/proxies/p/toxics/slow"), `200 ${JITTERY}`);
    assert.equal(await tell("GET", "/proxies/p/toxics"), `200 [${JITTERY}]`);
    const changed = JITTERY.replace("5", "9").replace("0.3", "0.25");
    const change =
      '{"attributes":{"latency":9},"toxicity":0.25,"name":"x","type":"noop","stream":"downstream"}';
    assert.equal(await tell("PATCH", "/proxies/p/toxics/slow", change), `200 ${changed}`);
    assert.equal(
      await tell("POST", "/proxies/p/toxics/slow", '{"attributes":null,"toxicity":null}'),
      `200 ${changed}`,
    );
    assert.equal(await tell("DELETE", "/proxies/p/toxics/slow"), "204 ");
    assert.equal(await tell("DELETE", "/proxies/p/toxics/slow"), toldFault(404, "toxic not found"));
    assert.equal(await tell("GET", "/proxies/p/toxics"), "200 []");
  });

  test("are told upstream first", async () => {
    const { tell } = await openPaperApiWithProxy();
    for (const stream of ["downstream", "upstream"])
      await tell("POST", "/proxies/p/toxics", `{"type":"noop","stream":"${stream}"}`);
    const names = [...(await tell("GET", "/proxies/p/toxics")).matchAll(/"name":"(\w+)"/g)].map(
      ([, name]) => name,
    );
    assert.deepEqual(names, ["noop_upstream", "noop_downstream"]);
  });

  test("have all the attributes that Toxiproxy's have, in its order", async () => {
    const { tell } = await openPaperApiWithProxy();
    const attributes = {
      latency: '{"latency":0,"jitter":0}',
      bandwidth: '{"rate":0}',
      slow_close: '{"delay":0}',
      timeout: '{"timeout":0}',
      reset_peer: '{"timeout":0}',
      slicer: '{"average_size":0,"size_variation":0,"delay":0}',
      limit_data: '{"bytes":0}',
      noop: "{}",
    };
    for (const [type, json] of Object.entries(attributes)) {
      assert.equal(
        await tell("POST", "/proxies/p/toxics", `{"type":"${type}"}`),
        `200 {"attributes":${json},"name":"${type}_downstream","type":"${type}","stream":"downstream","toxicity":1}`,
      );
    }
  });

  test("show attributes of our own where they were set", async () => {
    const { tell } = await openPaperApiWithProxy();
    const body = '{"type":"bandwidth","attributes":{"bytes_per_second":1500,"shared":true}}';
    assert.match(
      await tell("POST", "/proxies/p/toxics", body),
      /"attributes":{"rate":0,"bytes_per_second":1500,"shared":true}/,
    );
  });

  test("are refused with what is wrong first", async () => {
    const { tell } = await openPaperApiWithProxy();
    await tell("POST", "/proxies/p/toxics", '{"type":"noop","name":"taken"}');
    const unmarshal = "bad request body: json: cannot unmarshal";
    const cases: readonly (readonly [body: string, status: number, message: string])[] = [
      ["", 400, "bad request body: EOF"],
      ["5", 400, `${unmarshal} number into Go value of type toxics.ToxicWrapper`],
      ["{}", 400, "invalid toxic type"],
      ['{"type":"x","stream":""}', 400, "stream was invalid, can be either upstream or downstream"],
      ['{"type":"x","stream":"sideways"}', 400, "stream was invalid, can be either upstream or downstream"],
      ['{"type":"x","name":"taken"}', 400, "invalid toxic type"],
      ['{"type":"latency","name":"taken","attributes":{"latency":"5"}}', 409, "toxic already exists"],
      [
        '{"type":"latency","attributes":5}',
        400,
        `${unmarshal} number into Go struct field ToxicWrapper.attributes of type toxics.NoopToxic`,
      ],
      [
        '{"type":"latency","toxicity":"x"}',
        400,
        `${unmarshal} string into Go struct field ToxicWrapper.toxicity of type float32`,
      ],
      [
        '{"type":"latency","attributes":{"latency":"5"}}',
        400,
        `${unmarshal} string into Go struct field LatencyToxic.attributes.latency of type int64`,
      ],
      [
        '{"type":"latency","attributes":{"latency":5.5}}',
        400,
        `${unmarshal} number 5.5 into Go struct field LatencyToxic.attributes.latency of type int64`,
      ],
      [
        '{"type":"slicer","attributes":{"delay":[]}}',
        400,
        `${unmarshal} array into Go struct field SlicerToxic.attributes.delay of type int`,
      ],
      [
        '{"type":"reset_peer","attributes":{"timeout":{}}}',
        400,
        `${unmarshal} object into Go struct field ResetToxic.attributes.timeout of type int64`,
      ],
      [
        '{"type":"slow_close","attributes":{"delay":true}}',
        400,
        `${unmarshal} bool into Go struct field SlowCloseToxic.attributes.delay of type int64`,
      ],
      [
        '{"type":"packet_loss","attributes":{"loss_rate":"x"}}',
        400,
        `${unmarshal} string into Go struct field PacketLossToxic.attributes.loss_rate of type float64`,
      ],
    ];
    for (const [body, status, message] of cases)
      assert.equal(await tell("POST", "/proxies/p/toxics", body), toldFault(status, message));
    assert.match(await tell("GET", "/proxies/p/toxics"), /^200 \[[^[]*"taken"[^{]*\]$/);
  });

  test("can't have what would take a server down", async () => {
    const { tell } = await openPaperApiWithProxy();
    const body = '{"type":"bandwidth","attributes":{"rate":-1}}';
    assert.equal(
      await tell("POST", "/proxies/p/toxics", body),
      toldFault(400, "rate of bandwidth: must be at least 0"),
    );
  });

  test("stay as they are when a change is wrong anywhere", async () => {
    const { tell } = await openPaperApiWithProxy();
    await tell("POST", "/proxies/p/toxics", '{"type":"slicer","name":"s"}');
    const before = await tell("GET", "/proxies/p/toxics/s");
    const cases: readonly (readonly [body: string, problem: string])[] = [
      ["{", "unexpected EOF"],
      [
        '{"attributes":{"average_size":7,"delay":"5"}}',
        "json: cannot unmarshal string into Go struct field SlicerToxic.attributes.delay of type int",
      ],
      [
        '{"attributes":5}',
        "json: cannot unmarshal number into Go struct field .attributes of type toxics.SlicerToxic",
      ],
      [
        '{"attributes":{"delay":1},"toxicity":"x"}',
        "json: cannot unmarshal string into Go struct field .toxicity of type float32",
      ],
      [
        "[]",
        'json: cannot unmarshal array into Go value of type struct { Attributes interface {} "json:\\"attributes\\""; Toxicity float32 "json:\\"toxicity\\"" }',
      ],
    ];
    for (const [body, problem] of cases)
      assert.equal(
        await tell("PATCH", "/proxies/p/toxics/s", body),
        toldFault(400, `bad request body: ${problem}`),
      );
    assert.equal(await tell("GET", "/proxies/p/toxics/s"), before);
  });

  test("of proxies that aren't there aren't looked for in the body", async () => {
    const { tell } = await openPaperApiWithProxy();
    assert.equal(await tell("POST", "/proxies/x/toxics", "{"), toldFault(404, "proxy not found"));
    assert.equal(await tell("POST", "/proxies/x", "{"), toldFault(404, "proxy not found"));
    assert.equal(await tell("PATCH", "/proxies/p/toxics/x", "{"), toldFault(404, "toxic not found"));
  });
});
