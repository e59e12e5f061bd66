import assert from "node:assert/strict";
import { test } from "node:test";
import { metaOf } from "../../../test/kit/cache-exchange.ts";
import { encodeMeta, MetaFlag } from "../meta.ts";
import { MetaView } from "../meta-view.ts";
import { isStillThere } from "./judge.ts";
import { PurgeKind } from "./purge.ts";
import { createPurges, PurgeList } from "./purge-list.ts";

const NOW = Date.UTC(2026, 5);

/** A response that was fetched before whatever is purged from now on, and its flags, as all who find it see them. */
function stored(purges: PurgeList): { view: MetaView; flags: () => number; generation: () => number } {
  const bytes = encodeMeta({ ...metaOf({}), generation: purges.generation, tags: " a b " });
  const fresh = (): MetaView => new MetaView().of(bytes);
  return { view: fresh(), flags: () => fresh().flags, generation: () => fresh().generation };
}

test("leaves a response alone that no purge was for, and needn't judge it again", () => {
  const purges = new PurgeList(createPurges(NOW), 0);
  const { view, flags, generation } = stored(purges);
  const before = flags();
  assert.ok(isStillThere(purges, view));
  purges.add({ kind: PurgeKind.Tag, text: "c", isSoft: false });
  assert.ok(isStillThere(purges, view));
  assert.deepEqual([flags(), generation()], [before, purges.generation]);
  // What it was judged by once isn't asked again.
  purges.verdict = () => assert.fail("judged");
  assert.ok(isStillThere(purges, view));
});

test("tells what is gone, and changes nothing of it", () => {
  const purges = new PurgeList(createPurges(NOW), 0);
  const { view, flags, generation } = stored(purges);
  const before = [flags(), generation()];
  purges.add({ kind: PurgeKind.Tag, text: "b", isSoft: false });
  assert.ok(!isStillThere(purges, view));
  assert.ok(!isStillThere(purges, view));
  assert.deepEqual([flags(), generation()], before);
});

test("notes what is stale from now on, and goes on to look for more", () => {
  const purges = new PurgeList(createPurges(NOW), 0);
  const { view, flags } = stored(purges);
  purges.add({ kind: PurgeKind.All, text: "", isSoft: true });
  assert.ok(isStillThere(purges, view));
  assert.equal(flags() & (MetaFlag.Purged | MetaFlag.NoCache), MetaFlag.Purged);
  purges.add({ kind: PurgeKind.Tag, text: "a", isSoft: false });
  assert.ok(!isStillThere(purges, view));
});

test("has the server asked about what is older than all that is remembered", () => {
  const purges = new PurgeList(createPurges(NOW, 4096), 0);
  const { view, flags } = stored(purges);
  for (let i = 0; i < 1000; i++) purges.add({ kind: PurgeKind.Tag, text: `other ${i}`, isSoft: false });
  assert.ok(isStillThere(purges, view));
  assert.equal(flags() & (MetaFlag.Purged | MetaFlag.NoCache), MetaFlag.NoCache);
});
