import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Origin, startOrigin } from "../kit/origins.ts";
import type { RawResponse } from "../kit/raw-message.ts";
import { startRawOrigin } from "../kit/raw-origin.ts";
import { type Composed, originOf, startComposed } from "./composed.ts";
import { answering, ok, request } from "./proxy.ts";

const SECRET = "0123456789abcdef";

function textFor(servers: readonly { readonly address: string }[], sticky = "", upstream = ""): string {
  return `
listeners: [{ bind: "127.0.0.1:0", upstream: shop }]
upstreams:
  shop:
    servers: ${JSON.stringify(servers.map(({ address }) => address))}
    sticky: { cookie: home, secret: ${SECRET}${sticky} }
${upstream}
`;
}

/** A balancer before three origins whose clients stay. */
class Shop implements AsyncDisposable {
  readonly origins: readonly Origin[];
  readonly balancer: Composed;

  private constructor(origins: readonly Origin[], balancer: Composed) {
    this.origins = origins;
    this.balancer = balancer;
  }

  static async open(sticky = "", upstream = ""): Promise<Shop> {
    const origins = await Promise.all(["a", "b", "c"].map((name) => startOrigin({ name })));
    return new Shop(origins, await startComposed(textFor(origins, sticky, upstream)));
  }

  origin(name: string): Origin {
    const found = this.origins.find((origin) => origin.name === name);
    assert.ok(found !== undefined, `there is no ${name}`);
    return found;
  }

  order(name: string, order: "draining" | "disabled" | "enabled"): void {
    this.balancer.running.upstreams.order("shop", this.origin(name).address, order);
  }

  /** A client's first visit. */
  async visit(): Promise<{ home: string; cookie: string }> {
    const response = await this.balancer.get();
    return { home: originOf(response), cookie: cookieIn(response) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.balancer[Symbol.asyncDispose]();
    for (const origin of this.origins) await origin[Symbol.asyncDispose]();
  }
}

/** As a browser sends it back. */
function cookieIn(response: RawResponse): string {
  const [cookie = ""] = (response.header("set-cookie") ?? "").split(";");
  return `Cookie: ${cookie}`;
}

function setCookies({ headers }: RawResponse): string[] {
  return headers.filter(([name]) => name.toLowerCase() === "set-cookie").map(([, value]) => value);
}

describe("a client with a cookie", () => {
  test("stays where it came first, and is told so once", async () => {
    await using shop = await Shop.open();
    for (const name of ["a", "b", "c"]) {
      const { home, cookie } = await shop.visit();
      assert.equal(home, name);
      for (let i = 0; i < 5; i++) {
        const response = await shop.balancer.get("/", `${cookie}; theme=dark`);
        assert.deepEqual([originOf(response), setCookies(response)], [home, []]);
      }
    }
  });

  test("gets another one when its server is gone, and stays there", async () => {
    await using shop = await Shop.open();
    const { home, cookie } = await shop.visit();
    await shop.origin(home)[Symbol.asyncDispose]();
    const moved = await shop.balancer.get("/", cookie);
    const other = originOf(moved);
    assert.ok(moved.status === 200 && other !== home);
    for (let i = 0; i < 5; i++) assert.equal(await shop.balancer.whoAnswers("/", cookieIn(moved)), other);
  });

  test("keeps a server that is draining, and loses one that is disabled", async () => {
    await using shop = await Shop.open();
    const { home, cookie } = await shop.visit();
    shop.order(home, "draining");
    assert.deepEqual(await shop.balancer.shares(5, "/", cookie), { [home]: 5 });
    const strangers = await shop.balancer.shares(6);
    assert.ok(strangers[home] === undefined, JSON.stringify(strangers));
    shop.order(home, "disabled");
    const moved = await shop.balancer.get("/", cookie);
    assert.notEqual(originOf(moved), home);
    assert.equal(setCookies(moved).length, 1);
    shop.order(home, "enabled");
    assert.equal(await shop.balancer.whoAnswers("/", cookie), home);
  });

  test("isn't repeated on its server because that one drains, when it failed there", async () => {
    await using shop = await Shop.open("", "    retry: { on: [503] }");
    const { home, cookie } = await shop.visit();
    for (const origin of shop.origins)
      origin.handle("/busy", ({ response }) => {
        response.statusCode = 503;
        response.end("");
      });
    for (const { name } of shop.origins) shop.order(name, name === home ? "draining" : "disabled");
    const response = await shop.balancer.get("/busy", cookie);
    assert.deepEqual([response.status, originOf(response)], [503, home]);
  });

  test("that nobody has signed is like one without", async () => {
    await using shop = await Shop.open();
    const { cookie, home } = await shop.visit();
    const value = cookie.slice("Cookie: home=".length);
    const forged = [
      ...["", "x", `${value}x`, value.slice(0, -1), value.toLowerCase(), `${value}=`, "__proto__", "%00"],
      ...[shop.origin(home).address, "é\xff\x80", "=", "x".repeat(5_000), `"${value}`, "a,b"],
    ];
    for (const one of forged) {
      const response = await shop.balancer.get("/", `Cookie: home=${one}`);
      assert.equal(setCookies(response).length, 1, one);
    }
    for (const known of [
      `home="${value}"`,
      `a=b;home=${value}`,
      `home=${value}; home=x`,
      `homer=x; home=${value} `,
    ])
      assert.equal(await shop.balancer.whoAnswers("/", `Cookie: ${known}`), home, known);
    for (const unknown of [`HOME=${value}`, `xhome=${value}`, "home"])
      assert.equal(setCookies(await shop.balancer.get("/", `Cookie: ${unknown}`)).length, 1, unknown);
  });

  test("keeps its server wherever else the same secret is, and nowhere with another", async () => {
    await using shop = await Shop.open();
    const reversed = shop.origins.toReversed();
    await using same = await startComposed(textFor(reversed), { seed: "another" });
    await using other = await startComposed(textFor(reversed).replace(SECRET, SECRET.toUpperCase()));
    for (let i = 0; i < 3; i++) {
      const { home, cookie } = await shop.visit();
      const response = await same.get("/", cookie);
      assert.deepEqual([originOf(response), setCookies(response)], [home, []]);
      assert.equal(setCookies(await other.get("/", cookie)).length, 1);
    }
  });
});

describe("the cookie that keeps clients", () => {
  test("has the attributes that were asked for, and tells nothing of the server", async () => {
    const value = "[\\w-]{22}";
    for (const [sticky, pattern] of [
      ["", `home=${value}; Path=/; HttpOnly; SameSite=Lax`],
      [
        ", path: /shop, max_age: 1h, secure: true, same_site: none",
        `home=${value}; Path=/shop; Max-Age=3600; HttpOnly; Secure; SameSite=None`,
      ],
      [", same_site: strict", `home=${value}; Path=/; HttpOnly; SameSite=Strict`],
      [", same_site: off", `home=${value}; Path=/; HttpOnly`],
    ] as const) {
      await using shop = await Shop.open(sticky);
      const [cookie = ""] = setCookies(await shop.balancer.get());
      assert.match(cookie, new RegExp(`^${pattern}$`));
      assert.ok(!Buffer.from(cookie.slice(5, 27), "base64url").toString("latin1").includes("127.0.0.1"));
    }
  });

  test("stands beside the server's own", async () => {
    await using shop = await Shop.open();
    for (const origin of shop.origins)
      origin.handle("/", ({ response }) => {
        response.setHeader("set-cookie", ["one=1", "two=2; Path=/"]);
        response.end("");
      });
    const cookies = setCookies(await shop.balancer.get());
    assert.deepEqual(cookies.slice(0, 2), ["one=1", "two=2; Path=/"]);
    assert.match(cookies[2] ?? "", /^home=/);
    assert.equal(cookies.length, 3);
  });

  test("stays where the server's own are removed", async () => {
    await using origin = await startRawOrigin(answering(ok("ok", "Set-Cookie: one=1")));
    const route = "routes: [{ upstream: shop, response_headers: { remove: [set-cookie] } }]";
    await using balancer = await startComposed(textFor([origin]).replace("upstream: shop", route));
    const cookies = setCookies(await balancer.get());
    assert.deepEqual([cookies.length, cookies[0]?.slice(0, 5)], [1, "home="]);
  });

  test("comes with responses that have no body, and with those that have one till their end", async () => {
    const head = (status: string): string => `HTTP/1.1 ${status}\r\nContent-Length: 5\r\n\r\n`;
    for (const [method, answer] of [
      ["HEAD", head("200 OK")],
      ["GET", head("304 Not Modified")],
      ["GET", "HTTP/1.1 204 No Content\r\n\r\n"],
      ["GET", "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhm\r\n0\r\n\r\n"],
    ] as const) {
      await using origin = await startRawOrigin(answering(answer));
      await using balancer = await startComposed(textFor([origin]));
      const client = await balancer.connect();
      for (let i = 0; i < 2; i++) {
        const response = await client.exchange(request(`${method} /`), { method });
        assert.equal(setCookies(response).length, 1, answer);
        assert.equal(response.status, Number(/ (\d+) /.exec(answer)?.[1]));
      }
    }
  });

  test("comes also when the server's weight was changed meanwhile", async () => {
    await using shop = await Shop.open();
    const held = shop.balancer.get("/held");
    const { address } = shop.origin("a");
    await shop.origin("a").request(0);
    shop.balancer.running.upstreams.setWeight("shop", address, 5);
    shop.origin("a").release();
    assert.equal(setCookies(await held).length, 1);
  });

  test("doesn't come with answers that no server gave", async () => {
    await using origin = await startRawOrigin(answering(ok()));
    await using balancer = await startComposed(textFor([origin]));
    balancer.running.upstreams.order("shop", origin.address, "disabled");
    const response = await balancer.get();
    assert.deepEqual([response.status, setCookies(response)], [503, []]);
  });
});
