import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as z from "zod";
import { defineFilter } from "./filter-module.ts";
import { asPhases, FilterConfigError, makePhases } from "./own-filter.ts";

const site = { name: "own", signal: new AbortController().signal };
const logging = (): void => undefined;

describe("what a module exports", () => {
  test("is phases, or makes them of what the configuration says and its check lets through", async () => {
    const told: unknown[] = [];
    const schema = z.object({ realm: z.string().default("staff") });
    const create = (config: unknown, { name }: typeof site): object => {
      told.push(config, name);
      return { logging };
    };
    assert.deepEqual(await makePhases(defineFilter({ logging }), undefined, site), { logging });
    await makePhases(defineFilter(create), { a: 1 }, site);
    await makePhases(
      defineFilter(async (config: unknown) => create(config, site)),
      undefined,
      site,
    );
    await makePhases(
      defineFilter(schema, ({ realm }) => create(realm.toUpperCase(), site)),
      {},
      site,
    );
    await makePhases(
      defineFilter((config) => String(config), create),
      3,
      site,
    );
    assert.deepEqual(told, [{ a: 1 }, "own", undefined, "own", "STAFF", "own", "3", "own"]);
  });

  test("refuses a config in its own words, and says where", async () => {
    const create = (): object => ({ logging });
    const schema = z.object({ users: z.array(z.object({ name: z.string("a name") })) });
    const cases: [unknown, RegExp, PropertyKey[]][] = [
      [defineFilter({ logging }), /this filter takes no config/, []],
      [defineFilter(schema, create), /^a name$/, ["users", 0, "name"]],
      [defineFilter((config) => schema.parse(config), create), /^a name$/, ["users", 0, "name"]],
      [
        defineFilter(() => {
          throw new Error("never");
        }, create),
        /^never$/,
        [],
      ],
      [
        defineFilter(
          { "~standard": { validate: async () => ({ issues: [{ message: "a" }, { message: "b" }] }) } },
          create,
        ),
        /^a; b$/,
        [],
      ],
    ];
    for (const [exported, message, path] of cases) {
      const refused = makePhases(exported, { users: [{ name: 3 }] }, site);
      await assert.rejects(refused, (error) => {
        assert.ok(error instanceof FilterConfigError);
        assert.match(error.message, message);
        assert.deepEqual(error.path, path);
        return true;
      });
    }
  });

  test("is told from what is no filter", () => {
    const cases: [unknown, RegExp][] = [
      [undefined, /This is no filter but undefined/],
      [null, /no filter but null/],
      ["text", /no filter but string/],
      [{}, /none of the phases, .* but nothing/],
      [{ realm: "staff" }, /but only realm/],
      [{ requestFiltr() {} }, /There is no phase requestFiltr; did you mean requestFilter\?/],
      [{ requestFilter: 3 }, /The phase requestFilter is no function/],
      [{ upstreamPeer() {} }, /A filter has no phase upstreamPeer/],
      [{ isPurge() {} }, /A filter has no phase isPurge/],
    ];
    for (const [made, message] of cases) assert.throws(() => asPhases(made), { name: "TypeError", message });
    class Counting {
      logging(): void {}
    }
    assert.ok(asPhases(new Counting()) instanceof Counting);
  });
});
