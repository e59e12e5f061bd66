import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Mount, type Mounted } from "./mount.ts";

interface Settings {
  readonly bind: string;
  readonly token: string;
}

/** What happened, in order. */
function rig(): { readonly story: string[]; readonly mount: Mount<Settings, Mounted> } {
  const story: string[] = [];
  const tell = (what: string, address: string) => async (): Promise<void> =>
    void story.push(`${what} ${address}`);
  const mount = new Mount<Settings, Mounted>({
    mount: async ({ bind }) => {
      if (bind === "taken") throw new Error("somebody listens there");
      story.push(`listen ${bind}`);
      return { address: bind, close: tell("close", bind), retire: tell("retire", bind) };
    },
    placeOf: ({ bind }) => bind,
    adapt: ({ address }, { token }) => void story.push(`${token} at ${address}`),
    onMounted: ({ address }) => void story.push(`mounted ${address}`),
  });
  return { story, mount };
}

describe("what listens beside the data plane", () => {
  test("moves first there, then no more here", async () => {
    const { story, mount } = rig();
    await mount.open({ bind: "a", token: "x" });
    const ready = await mount.prepare({ bind: "b", token: "x" });
    assert.deepEqual(story.splice(0), ["listen a", "mounted a", "listen b"]);
    await ready.commit();
    assert.deepEqual(story.splice(0), ["mounted b", "retire a"]);
    await (await mount.prepare({ bind: "b", token: "y" })).commit();
    assert.deepEqual(story.splice(0), ["y at b"]);
    await (await mount.prepare({ bind: "b", token: "y" })).commit();
    assert.deepEqual(story, []);
    await (await mount.prepare(null)).commit();
    assert.deepEqual(story, ["retire b"]);
  });

  test("stays where it is when it can't be there, or needn't", async () => {
    const { story, mount } = rig();
    await mount.open({ bind: "a", token: "x" });
    await assert.rejects(mount.prepare({ bind: "taken", token: "x" }), /somebody listens/);
    await (await mount.prepare({ bind: "b", token: "x" })).abandon();
    await (await mount.prepare({ bind: "a", token: "y" })).abandon();
    assert.deepEqual(story, ["listen a", "mounted a", "listen b", "retire b"]);
    await mount.close();
    assert.equal(story.at(-1), "close a");
  });
});
