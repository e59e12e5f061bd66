import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { HeardNews } from "../../../test/kit/heard-news.ts";
import type { ServerInit } from "../server.ts";
import { ServerNews } from "./server-news.ts";

function server(address: string, priority = 0, weight = 1): Required<ServerInit> {
  return { address, weight, priority, zone: null };
}

function listen(): { news: ServerNews; heard: HeardNews } {
  const news = new ServerNews("here");
  const heard = new HeardNews();
  news.listen(heard);
  return { news, heard };
}

describe("news of servers", () => {
  test("are told in one order, and only when they are new", () => {
    const { news, heard } = listen();
    const [a, b, c] = [server("a:1"), server("b:1"), server("c:1", 1)];
    news.found({ servers: [c, b, a], problems: [] });
    news.found({ servers: [b, a, c], problems: [] });
    assert.deepEqual(heard.lists, [[a, b, c]]);
    news.found({ servers: [b, a, server("c:1", 1, 2)], problems: [] });
    assert.equal(heard.lists.length, 2);
    assert.deepEqual(heard.errors, []);
  });

  test("say the same error once, until all is well again, which tells the servers once more", () => {
    const { news, heard } = listen();
    const all = { servers: [server("a:1")], problems: [] };
    news.found(all);
    news.failed("broken");
    news.failed("broken");
    news.failed("gone");
    assert.deepEqual(heard.errors, ["here: broken", "here: gone"]);
    news.found(all);
    news.found(all);
    assert.equal(heard.lists.length, 2);
    news.failed("gone");
    assert.equal(heard.errors.length, 3);
  });

  test("tell servers beside problems, and the problems again when the servers change", () => {
    const { news, heard } = listen();
    const problems = ["one", "two", "three", "four", "five"];
    news.found({ servers: [server("a:1")], problems });
    news.found({ servers: [server("a:1")], problems });
    assert.deepEqual(heard.errors, ["here: one; two; three; and 2 more"]);
    assert.equal(heard.lists.length, 1);
    news.found({ servers: [server("b:1")], problems });
    assert.deepEqual(heard.addresses, ["b:1"]);
    assert.equal(heard.errors.length, 2);
  });

  test("never say that there is no server", () => {
    const { news, heard } = listen();
    news.found({ servers: [], problems: [] });
    news.found({ servers: [], problems: ["one"] });
    assert.deepEqual(heard.lists, []);
    assert.deepEqual(heard.errors, ["here: there is no server in it", "here: one"]);
  });

  test("end when they are stopped", () => {
    const { news, heard } = listen();
    news.stop();
    news.found({ servers: [server("a:1")], problems: ["one"] });
    assert.deepEqual([heard.lists, heard.errors], [[], []]);
  });
});
