import { type Request, request, sending } from "./exchange.ts";

const PROXY = "/proxies/t";
const TOXICS = `${PROXY}/toxics`;
const TYPES = ["latency", "bandwidth", "slow_close", "timeout", "reset_peer", "slicer", "limit_data", "noop"];

/** An attribute of each type, to be told something wrong. */
const AN_ATTRIBUTE: Readonly<Record<string, string>> = {
  latency: "jitter",
  bandwidth: "rate",
  slow_close: "delay",
  timeout: "timeout",
  reset_peer: "timeout",
  slicer: "average_size",
  limit_data: "bytes",
};

/** Values that Go's JSON doesn't take for a whole number. */
const WRONG_NUMBERS = ['"5"', "5.0", "5.5", "1e3", "true", "[1]", "{}", "9223372036854775808"];

/** Everything that is asked of toxics. */
export function toxicRequests(): Request[] {
  return [
    sending("POST", "/proxies", { name: "t", listen: "127.0.0.1:0", upstream: "127.0.0.1:9" }),
    ...additions(),
    ...refusals(),
    ...changes(),
    ...removals(),
    request("DELETE", PROXY),
    ...beyondNumbers(),
  ];
}

function add(body: unknown): Request {
  return sending("POST", TOXICS, body);
}

function additions(): Request[] {
  return [
    ...TYPES.map((type) => add({ type })),
    ...TYPES.map((type) => add({ type, stream: "upstream", attributes: null })),
    add({
      type: "latency",
      name: "full",
      stream: "UpStream",
      toxicity: 0.3,
      attributes: { latency: 5, JITTER: 1 },
    }),
    add(
      '{"TYPE":"slicer","NaMe":"case","ATTRIBUTES":{"Average_Size":3,"SIZE_VARIATION":2,"delay":1,"other":"x"}}',
    ),
    ...["0.1", "1e-7", "1e25", "123456789", "-3", "7", "0.33333333333", "null", "-0", "3.4e38"].map(
      (toxicity, i) => add(`{"type":"noop","name":"share${i}","toxicity":${toxicity}}`),
    ),
    add({ type: "noop", name: "a/b c<é>" }),
    add({ type: "latency", name: "partly", attributes: { latency: null, jitter: 7 } }),
    request("GET", TOXICS),
    request("GET", PROXY),
    ...["full", "case", "nope", "a%2Fb%20c", "share0"].map((name) => request("GET", `${TOXICS}/${name}`)),
  ];
}

function refusals(): Request[] {
  const wrong = Object.entries(AN_ATTRIBUTE).flatMap(([type, attribute]) =>
    WRONG_NUMBERS.map((value) =>
      add(`{"type":"${type}","name":"wrong","attributes":{"${attribute}":${value}}}`),
    ),
  );
  const bodies: readonly unknown[] = [
    "",
    "{",
    "null",
    "5",
    "[]",
    "{}",
    { type: "nope" },
    { type: "" },
    { type: 5, name: 6 },
    { type: "latency", stream: "" },
    { type: "latency", stream: "sideways" },
    { type: "nope", stream: "sideways" },
    { type: "latency" },
    { type: "nope", name: "full" },
    { type: "latency", name: "full", attributes: { latency: "5" } },
    { type: "latency", name: "x", attributes: 5 },
    { type: "latency", name: "x", attributes: "s" },
    { type: "latency", name: "x", attributes: [] },
    { type: "latency", name: "x", attributes: true },
    { type: "latency", name: "x", toxicity: "x" },
    '{"type":"latency","name":"x","toxicity":1e400}',
    '{"type":"latency","name":"x","toxicity":1e39}',
    { type: "latency", name: "x", attributes: { latency: {}, jitter: [1] } },
  ];
  return [...bodies.map(add), ...wrong, sending("POST", "/proxies/nope/toxics", "{")];
}

function changes(): Request[] {
  const bodies: readonly unknown[] = [
    {},
    "null",
    { attributes: { latency: 9 } },
    { toxicity: 0.25 },
    { attributes: { jitter: 2 }, toxicity: 0.5, name: "other", type: "noop", stream: "downstream" },
    { attributes: null, toxicity: null },
    { attributes: {} },
    { attributes: 5 },
    { attributes: "x" },
    { attributes: [] },
    { toxicity: "x" },
    { attributes: { latency: "5" } },
    { attributes: { latency: 5.5 } },
    "5",
    "[]",
    "",
    "{",
  ];
  return [
    ...bodies.flatMap((body) => ["PATCH", "POST"].map((method) => sending(method, `${TOXICS}/full`, body))),
    sending("PATCH", `${TOXICS}/nope`, "{"),
    sending("PATCH", "/proxies/nope/toxics/full", "{"),
    sending("PATCH", `${TOXICS}/reset_peer_downstream`, { attributes: 5 }),
    request("GET", `${TOXICS}/full`),
    request("GET", TOXICS),
  ];
}

function removals(): Request[] {
  return [
    request("DELETE", `${TOXICS}/full`),
    request("DELETE", `${TOXICS}/full`),
    request("DELETE", `${TOXICS}/latency_upstream`),
    request("DELETE", "/proxies/nope/toxics/full"),
    request("GET", TOXICS),
  ];
}

/** Where we differ on purpose: on a proxy of their own, so that later answers don't. */
function beyondNumbers(): Request[] {
  const toxics = "/proxies/odd/toxics";
  return [
    sending("POST", "/proxies", {
      name: "odd",
      listen: "127.0.0.1:0",
      upstream: "127.0.0.1:9",
      enabled: false,
    }),
    sending("POST", toxics, { type: "latency", name: "negative", attributes: { latency: -5 } }),
    sending("POST", toxics, '{"type":"latency","name":"huge","attributes":{"latency":9223372036854775807}}'),
    sending("POST", toxics, { type: "packet_loss" }),
    sending("POST", toxics, { type: "slicer", name: "torn" }),
    sending("PATCH", `${toxics}/torn`, { attributes: { average_size: 77, delay: "5" } }),
    request("GET", `${toxics}/torn`),
    request("DELETE", "/proxies/odd"),
    sending("POST", "/proxies", { name: "logger", upstream: "127.0.0.1:9", logger: 5, enabled: false }),
    request("DELETE", "/proxies/logger"),
    sending("POST", "/proxies", { name: "nowhere", upstream: "nowhere", listen: "127.0.0.1:0" }),
    request("DELETE", "/proxies/nowhere"),
    sending("POST", "/proxies", { name: "named", upstream: "127.0.0.1:9", listen: "127.0.0.1:domain-s" }),
    request("DELETE", "/proxies/named"),
    sending("POST", "/proxies", {
      name: "unix",
      upstream: "127.0.0.1:9",
      listen: "unix:relative.sock",
      enabled: false,
    }),
    request("DELETE", "/proxies/unix"),
  ];
}
