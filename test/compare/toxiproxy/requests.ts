import { type Request, request, sending } from "./exchange.ts";
import { brokenJson, oddJson } from "./json-bodies.ts";
import { toxicRequests } from "./toxic-requests.ts";

const PROXIES = "/proxies";

/** Everything that both servers are asked, in this order: later requests find what earlier ones left. */
export function allRequests(): Request[] {
  return [
    ...routing(),
    ...syntax(),
    ...creation(),
    ...listening(),
    ...updates(),
    ...toxicRequests(),
    ...populations(),
    ...resets(),
    ...failedMoves(),
    ...browsers(),
  ];
}

function routing(): Request[] {
  const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"];
  const paths = ["/", "/version", "/nope", "/metrics", "/reset/", "/proxies/x", "/proxies/x/toxics/y"];
  const odd = [
    "//proxies",
    "/proxies//",
    "/proxies/",
    "/proxies/../version",
    "/proxies/./x",
    "/./version?a=b",
    "//version?x=%2F&y",
    "/proxies//x/%C3%A9/a%2Fb",
    "/a//b!*'()~@$&+,;=:%20",
    "/proxies/x/toxics/",
    "/proxies/x/toxics/y/",
    "/proxies/x/toxics/y/z",
    "/Proxies",
    "/VERSION",
    "/version?verbose",
    "/version/x",
    "/proxies/a%2Fb",
    "/proxies/%20",
    "/proxies/%zz",
    "/proxies/%",
    "/proxies/%ff",
    "/..",
    "/populate",
    "/proxies/x/nope",
  ];
  return [
    ...methods.flatMap((method) => paths.map((path) => request(method, path))),
    ...odd.map((path) => request("GET", path)),
    request("GET", "/version", { fields: ["Connection: close"] }),
    request("GET", "/version", { fields: ["Accept: text/plain"] }),
    request("GET", "/nope", { fields: ["Connection: close"] }),
  ];
}

function syntax(): Request[] {
  return [
    ...brokenJson.map((body) => sending("POST", PROXIES, body)),
    ...oddJson.map((body) => sending("POST", PROXIES, body)),
    ...brokenJson.slice(0, 5).map((body) => sending("POST", "/populate", body)),
    request("GET", PROXIES),
    ...["q", "q2", "%EF%BF%BD%EF%BF%BD", "%EF%BF%BDx", "case", "%E2%84%AAelvin"].map((name) =>
      request("DELETE", `${PROXIES}/${name}`),
    ),
  ];
}

function creation(): Request[] {
  const one = { name: "one", listen: "127.0.0.1:0", upstream: "127.0.0.1:9" };
  return [
    sending("POST", PROXIES, one),
    sending("POST", PROXIES, one),
    sending("POST", PROXIES, { ...one, listen: "bogus" }),
    sending("POST", PROXIES, { ...one, name: "two", enabled: false, listen: "bogus" }),
    sending("POST", PROXIES, { ...one, name: "10" }),
    sending("POST", PROXIES, { ...one, name: "9", enabled: null }),
    sending("POST", PROXIES, { ...one, name: "a b/é<&>" }),
    sending("POST", PROXIES, { ...one, name: "" }),
    sending("POST", PROXIES, { name: "x" }),
    sending("POST", PROXIES, { upstream: "127.0.0.1:9" }),
    sending("POST", PROXIES, { ...one, name: "extra", more: { deep: [1] }, toxics: null }),
    request("POST", PROXIES, {
      body: JSON.stringify({ ...one, name: "typed" }),
      fields: ["Content-Type: text/x"],
    }),
    request("GET", PROXIES),
    ...["one", "two", "10", "nope", "a%20b", "a%20b/%C3%A9%3C&%3E"].map((name) =>
      request("GET", `${PROXIES}/${name}`),
    ),
    request("DELETE", `${PROXIES}/10`),
    request("DELETE", `${PROXIES}/10`),
    request("DELETE", `${PROXIES}/nope`, { body: "{" }),
    request("GET", PROXIES),
  ];
}

function listening(): Request[] {
  const addresses = [
    "localhost:0",
    "127.0.0.1:",
    "[::1]:0",
    "[::]:0",
    ":0",
    "",
    "127.0.0.1:{api}",
    "localhost:{api}",
    "1.2.3.4:8080",
    "127.0.0.1",
    "18475",
    ":::1",
    "a:b:1",
    "[::1",
    "[::1]",
    "[::1]x:1",
    "[::1]::1",
    "a]b:1",
    "a[b:1",
    "127.0.0.1:99999",
    "127.0.0.1:-1",
    "127.0.0.1:nosuch",
    "nosuch.invalid:80",
    "0.0.0.0:0",
  ];
  return addresses.flatMap((listen, i) => [
    sending("POST", PROXIES, { name: `l${i}`, listen, upstream: "127.0.0.1:9" }),
    request("DELETE", `${PROXIES}/l${i}`),
  ]);
}

function updates(): Request[] {
  const p = `${PROXIES}/u`;
  const bodies: readonly unknown[] = [
    {},
    "null",
    { enabled: true },
    { enabled: false },
    { enabled: false, name: "other" },
    { upstream: "127.0.0.1:10" },
    { listen: "localhost:{free}" },
    { enabled: true },
    { listen: "localhost:{free}" },
    { listen: "127.0.0.1:{free}", upstream: "127.0.0.1:11" },
    { LISTEN: null, Enabled: null },
    { enabled: "yes" },
    { enabled: 1 },
    { listen: 5 },
    { listen: "foo" },
    { listen: ":::1" },
    "",
    "{",
    "[]",
  ];
  return [
    sending("POST", PROXIES, { name: "u", listen: "127.0.0.1:0", upstream: "127.0.0.1:9" }),
    sending("POST", `${p}/toxics`, { type: "noop", name: "stays" }),
    ...bodies.flatMap((body) => [sending("PATCH", p, body), sending("POST", p, body)]),
    request("GET", p),
    sending("PATCH", `${PROXIES}/nope`, "{"),
    sending("PATCH", `${PROXIES}/two`, { enabled: true }),
    sending("PATCH", `${PROXIES}/two`, { listen: "" }),
    request("GET", `${PROXIES}/two`),
    request("DELETE", p),
  ];
}

function populations(): Request[] {
  const one = { name: "p1", listen: "127.0.0.1:{free}", upstream: "127.0.0.1:9" };
  const bodies: readonly unknown[] = [
    "",
    "[]",
    "null",
    "{}",
    "5",
    "[5]",
    "[null]",
    "[{}]",
    [{ name: 5 }],
    [{ name: "p1", upstream: {} }],
    [{ name: "p1", enabled: "x" }],
    [{ name: "p1" }],
    [one, { name: "p2" }],
    [one],
    [one],
    [{ ...one, enabled: false }],
    [{ ...one, listen: "localhost:{free}" }],
    [{ ...one, upstream: "127.0.0.1:10" }],
    [{ ...one, upstream: "127.0.0.1:10", toxics: null }],
    [
      { name: "p2", listen: "127.0.0.1:0", upstream: "127.0.0.1:9", enabled: false },
      { name: "p3", listen: "127.0.0.1:0", upstream: "127.0.0.1:9" },
    ],
    [
      { name: "p4", listen: "127.0.0.1:0", upstream: "127.0.0.1:9" },
      { name: "p5", listen: "bad", upstream: "127.0.0.1:9" },
      { name: "p6", listen: "127.0.0.1:0", upstream: "127.0.0.1:9" },
    ],
    [{ ...one, listen: "bad" }],
    [{ ...one, listen: "127.0.0.1:{api}" }],
  ];
  return [
    ...bodies.slice(0, 14).map((body) => sending("POST", "/populate", body)),
    sending("POST", `${PROXIES}/p1/toxics`, { type: "noop" }),
    ...bodies.slice(14).map((body) => sending("POST", "/populate", body)),
    request("GET", `${PROXIES}/p1`),
    ...["p1", "p2", "p3", "p4", "p6"].map((name) => request("DELETE", `${PROXIES}/${name}`)),
  ];
}

function resets(): Request[] {
  return [
    request("GET", "/reset"),
    sending("POST", `${PROXIES}/one/toxics`, { type: "noop" }),
    sending("POST", `${PROXIES}/one`, { enabled: false }),
    request("POST", "/reset", { body: "{" }),
    request("GET", PROXIES),
    sending("POST", PROXIES, { name: "bogus", listen: "bogus", upstream: "127.0.0.1:9", enabled: false }),
    request("POST", "/reset"),
    request("DELETE", `${PROXIES}/bogus`),
  ];
}

/** Where we differ on purpose: on a proxy of their own, so that later answers don't. */
function failedMoves(): Request[] {
  const p = `${PROXIES}/stuck`;
  return [
    sending("POST", PROXIES, { name: "stuck", listen: "127.0.0.1:0", upstream: "127.0.0.1:9" }),
    sending("PATCH", p, { listen: "127.0.0.1:{api}" }),
    request("GET", p),
    request("DELETE", p),
  ];
}

function browsers(): Request[] {
  const agents = ["Mozilla/5.0 (X11)", "Mozilla", "mozilla/5.0", "curl Mozilla/5.0"];
  const from = (agent: string, method: string, path: string): Request =>
    request(method, path, { fields: [`User-Agent: ${agent}`] });
  return agents.flatMap((agent) => [
    from(agent, "GET", "/version"),
    from(agent, "GET", "/nope"),
    from(agent, "PUT", PROXIES),
    from(agent, "DELETE", `${PROXIES}/nope`),
  ]);
}
