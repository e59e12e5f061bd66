import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LinkRig } from "../../test/kit/link-rig.ts";
import { bool, float, int } from "./attributes.ts";
import { attributeProblem, completeAttributes, ToxicRegistry } from "./registry.ts";
import { defineToxic, Toxic, type ToxicType } from "./toxic.ts";
import { builtinToxics, createRegistry } from "./toxics/index.ts";

const upper = defineToxic({
  name: "upper",
  about: "writes letters large",
  attributes: { every: int("every so many", { default: 1, minimum: 1 }), odd: bool("the odd ones") },
  links: ["bytes"],
  create: (site, given) => new Upper(site, given),
});

class Upper extends Toxic<{ every: number; odd: boolean }> {
  override take(chunk: Buffer): void {
    const { every, odd } = this.attributes;
    const text = chunk.toString("latin1");
    const large = [...text].map((one, i) => (i % every === (odd ? 1 : 0) ? one.toUpperCase() : one));
    this.pass(Buffer.from(large.join(""), "latin1"));
  }
}

/** Throws wherever it is told to. */
const faulty = defineToxic({
  name: "faulty",
  about: "throws",
  attributes: { where: int("where it throws") },
  links: ["bytes"],
  create: (site, given) => new Faulty(site, given),
});

const [CREATE, TAKE, END, UPDATE, REMOVE, ALARM] = [1, 2, 3, 4, 5, 6];

class Faulty extends Toxic<{ where: number }> {
  constructor(...args: ConstructorParameters<typeof Toxic<{ where: number }>>) {
    super(...args);
    this.#throwIn(CREATE);
    this.site.alarm(() => this.#throwIn(ALARM)).set(10);
  }

  #throwIn(place: number | undefined): void {
    if (this.attributes.where === place) throw new Error(`thrown in ${place}`);
  }

  override take(chunk: Buffer): void {
    this.#throwIn(TAKE);
    this.pass(chunk);
  }

  override end(): void {
    this.#throwIn(END);
    super.end();
  }

  override update(given: { where: number }): void {
    super.update(given);
    this.#throwIn(UPDATE);
  }

  override remove(): void {
    this.#throwIn(REMOVE);
  }
}

function rigWith(...types: readonly ToxicType[]): LinkRig {
  return new LinkRig({ registry: new ToxicRegistry([...builtinToxics, ...types]) });
}

const own = (type: unknown): ToxicType => type as ToxicType;

describe("the toxics of a proxy", () => {
  test("are kept with all their attributes, in order", () => {
    const rig = new LinkRig();
    rig.add("latency", { latency: 5, unknown: 1 });
    rig.add("slicer", { delay: 7 }, { stream: "Upstream", toxicity: 0.5 });
    assert.deepEqual(rig.faults.toxics, [
      {
        name: "latency",
        type: "latency",
        stream: "downstream",
        toxicity: 1,
        attributes: { latency: 5, jitter: 0 },
      },
      {
        name: "slicer",
        type: "slicer",
        stream: "Upstream",
        toxicity: 0.5,
        attributes: { average_size: 0, size_variation: 0, delay: 7 },
      },
    ]);
    rig.faults.update("latency", { toxicity: 0.1, attributes: { jitter: 2 } });
    const { toxicity, attributes } = rig.faults.toxics[0]!;
    assert.deepEqual([toxicity, attributes], [0.1, { latency: 5, jitter: 2 }]);
    rig.faults.remove("latency");
    assert.deepEqual(
      rig.faults.toxics.map(({ name }) => name),
      ["slicer"],
    );
    rig.faults.clear();
    assert.equal(rig.faults.isActive, false);
  });

  test("refuse what can't be, and change nothing then", () => {
    const rig = new LinkRig();
    const connection = rig.open();
    rig.add("noop");
    assert.throws(() => rig.add("noop"), /proxy has a toxic noop already/);
    assert.throws(() => rig.add("nope"), /no toxic type nope/);
    assert.throws(() => rig.faults.update("nope", {}), /proxy has no toxic nope/);
    assert.throws(() => rig.faults.remove("nope"), /proxy has no toxic nope/);
    assert.deepEqual(connection.link().active, ["noop"]);
  });

  test("act one behind the other, each in its direction", () => {
    const rig = rigWith(own(upper));
    const before = rig.open();
    rig.add("limit_data", { bytes: 4 }, { stream: "UPSTREAM" });
    rig.add("upper", { every: 2 });
    rig.add("upper", { every: 3 }, { name: "third" });
    for (const connection of [before, rig.open()]) {
      connection.push("abcdefg");
      connection.push("abcdefg", "upstream");
      assert.deepEqual([connection.downstream.text, connection.upstream.text], ["AbCDEfG", "abcd"]);
    }
  });

  test("don't act on links that they aren't made for", () => {
    const rig = new LinkRig({ kind: "datagrams" });
    rig.add("slicer", { average_size: 1 });
    const connection = rig.open();
    connection.push("abc");
    assert.equal(connection.downstream.chunks.length, 1);
    assert.ok(connection.link().isClear);
  });

  test("say which of them apply to a connection", () => {
    const rig = new LinkRig();
    rig.add("latency");
    rig.add("noop", {}, { toxicity: 0 });
    rig.add("slicer", {}, { stream: "upstream" });
    const { links } = rig.open();
    assert.deepEqual([links.downstream.active, links.upstream.active], [["latency"], ["slicer"]]);
  });

  test("are laid on connections that were open before, when the first of them comes", () => {
    const rig = new LinkRig();
    let attached = 0;
    rig.faults.whenActive(() => attached++);
    rig.add("noop");
    rig.add("latency");
    rig.faults.clear();
    rig.add("noop");
    assert.equal(attached, 2);
  });

  test("draw for each connection, direction and toxic apart", () => {
    const draws = (seed: string): string[] => {
      const rig = new LinkRig({ seed });
      for (const stream of ["upstream", "downstream"])
        for (const name of ["a", "b"])
          rig.add("noop", {}, { name: `${name}${stream}`, stream, toxicity: 0.5 });
      return Array.from({ length: 40 }, () => {
        const { links } = rig.open();
        return [...links.upstream.active, ...links.downstream.active].join(" ");
      });
    };
    assert.deepEqual(draws("one"), draws("one"));
    assert.notDeepEqual(draws("one"), draws("two"));
    assert.equal(new Set(draws("one")).size, 16);
  });

  test("draw for those that were open before too", () => {
    const rig = new LinkRig();
    const connections = Array.from({ length: 100 }, () => rig.open());
    rig.add("noop", {}, { toxicity: 0.5 });
    const active = connections.filter((connection) => connection.link().active.length > 0).length;
    assert.ok(active > 30 && active < 70, `${active}`);
  });

  test("are drawn again when their toxicity changes", () => {
    const rig = new LinkRig();
    const connection = rig.open();
    rig.add("noop", {}, { toxicity: 0 });
    assert.deepEqual(connection.link().active, []);
    rig.faults.update("noop", { toxicity: 1 });
    assert.deepEqual(connection.link().active, ["noop"]);
    rig.faults.update("noop", { toxicity: -3 });
    assert.deepEqual(connection.link().active, []);
    rig.faults.update("noop", { toxicity: 7 });
    assert.deepEqual(connection.link().active, ["noop"]);
  });
});

describe("a toxic that throws", () => {
  test("when it is asked whether to let a client in refuses that client", () => {
    const admit = (): never => {
      throw new Error("thrown in admit");
    };
    const strict = { ...upper, name: "strict", admit };
    const rig = rigWith(own(strict));
    rig.add("strict");
    assert.deepEqual(rig.faults.admit(), { refuse: true, delay: 0 });
    assert.deepEqual(
      rig.failures.map(({ toxic, error }) => [toxic, (error as Error).message]),
      [["strict", "thrown in admit"]],
    );
  });

  const cases: readonly [
    string,
    number | undefined,
    (rig: LinkRig, link: ReturnType<LinkRig["open"]>) => void,
  ][] = [
    ["when bytes come", TAKE, (_rig, connection) => connection.push("x")],
    ["when the end comes", END, (_rig, connection) => connection.end()],
    ["when it is removed", REMOVE, (rig) => rig.faults.remove("faulty")],
    ["when its alarm rings", ALARM, (rig) => rig.clock.advance(10)],
  ];
  for (const [name, where, act] of cases) {
    test(`${name} resets its connection, and no other`, () => {
      const rig = rigWith(own(faulty));
      const connection = rig.open();
      rig.add("faulty", { where: where ?? 0 });
      act(rig, connection);
      assert.deepEqual(connection.downstream.events, ["reset by faulty"]);
      assert.deepEqual(
        rig.failures.map(({ toxic, error }) => [toxic, (error as Error).message]),
        [["faulty", `thrown in ${where}`]],
      );
    });
  }

  test("when it is changed resets all connections, and is changed nevertheless", () => {
    const rig = rigWith(own(faulty));
    const connections = [rig.open(), rig.open()];
    rig.add("faulty");
    rig.faults.update("faulty", { attributes: { where: UPDATE ?? 0 } });
    for (const { downstream } of connections) assert.deepEqual(downstream.events, ["reset by faulty"]);
    assert.equal(rig.faults.toxics[0]?.attributes.where, UPDATE);
  });

  test("when it is made is told of for each connection", () => {
    const rig = rigWith(own(faulty));
    rig.open();
    rig.add("faulty", { where: CREATE ?? 0 });
    rig.open();
    assert.equal(rig.failures.length, 2);
  });
});

describe("a registry", () => {
  test("knows the toxics that come along, by name", () => {
    const registry = createRegistry();
    assert.deepEqual(registry.names, [
      "latency",
      "bandwidth",
      "slow_close",
      "timeout",
      "reset_peer",
      "slicer",
      "limit_data",
      "packet_loss",
      "noop",
      "down",
      "blackhole",
      "connect_delay",
      "idle_timeout",
      "corrupt",
      "duplicate",
      "reorder",
    ]);
    assert.equal(registry.get("latency")?.name, "latency");
    assert.equal(registry.get("nope"), undefined);
    assert.equal([...registry].length, 16);
  });

  test("takes more, once each, for itself alone", () => {
    const registry = createRegistry();
    registry.register(upper);
    assert.equal(registry.get("upper")?.about, "writes letters large");
    assert.throws(() => registry.register(upper), /There is a toxic upper already/);
    assert.equal(createRegistry().get("upper"), undefined);
  });

  test("knows what its base learns later", () => {
    const base = new ToxicRegistry(builtinToxics);
    const registry = new ToxicRegistry([], base);
    base.register(upper);
    assert.equal(registry.get("upper"), base.get("upper"));
    assert.deepEqual(registry.names, base.names);
    assert.throws(() => registry.register(upper), /There is a toxic upper already/);
  });

  test("completes attributes", () => {
    const given = { every: 3, other: 1 };
    assert.deepEqual(completeAttributes(own(upper), given), { every: 3, odd: false });
  });

  test("says what is wrong with an attribute", () => {
    const share = float("a share", { maximum: 1 });
    assert.equal(attributeProblem(share, 0.5), null);
    assert.equal(attributeProblem(share, 1.5), "must be at most 1");
    assert.equal(attributeProblem(share, Number.NaN), "expected a number");
    assert.equal(attributeProblem(share, "1"), "expected a number");
    assert.equal(attributeProblem(bool("yes or no"), 1), "expected true or false");
    assert.equal(attributeProblem(bool("yes or no"), true), null);
  });
});
