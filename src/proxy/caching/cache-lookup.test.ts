import assert from "node:assert/strict";
import { test } from "node:test";
import { RecordingOwner } from "../../../test/kit/cache-store.ts";
import { WatchedStore } from "../../../test/kit/watched-store.ts";
import { idleAlarms } from "../../base/alarms.ts";
import { allocateFills } from "../../cache/fills/fill-memory.ts";
import { FILL_DEFAULTS } from "../../cache/fills/fill-settings.ts";
import { FillTable } from "../../cache/fills/fill-table.ts";
import { allocateInvalidations, Invalidations } from "../../cache/invalidations.ts";
import { encodeMeta, type ResponseMeta } from "../../cache/meta.ts";
import { allocatePredictor, Predictor } from "../../cache/predictor.ts";
import { EntryState } from "../../cache/store.ts";
import { MemoryStore } from "../../cache/stores/memory/memory-store.ts";
import { allocateMemoryStore } from "../../cache/stores/memory/store-memory.ts";
import { RequestHead } from "../../http/heads.ts";
import { Lookup } from "./cache-lookup.ts";
import { isWhole } from "./entry-progress.ts";
import { HttpCache } from "./http-cache.ts";

const META: ResponseMeta = {
  ...{ status: 200, flags: 0, responseTime: 0, bornAt: 0, date: 0, lastModified: Number.NaN },
  ...{ lifetime: 60, staleWhileRevalidate: 0, staleIfError: 0, bodyLength: 0, generation: 0, epoch: 0 },
  ...{ key: "", varyList: "", tags: "", fields: [] },
};

test("what is invalidated while a store is asked for it isn't found, nor there any more", async () => {
  const memory = allocateMemoryStore({ mostBytes: 2 ** 20, mostEntryBytes: 2 ** 18, rows: 1 });
  const store = new WatchedStore(new MemoryStore(memory, 0));
  const predictor = new Predictor(allocatePredictor(64));
  const fills = new FillTable(allocateFills(64), 0, FILL_DEFAULTS, { clock: idleAlarms, predictor });
  const invalidations = new Invalidations(allocateInvalidations());
  const rules = new HttpCache({ store, fills, secret: [1, 2, 3, 4], invalidations }).rules({ fields: ["x"] });
  const request = RequestHead.from({ target: "/a", headers: [["Host", "a.example"]] });
  request.host = "a.example";
  const lookup = (): Lookup => new Lookup(rules, request, "http");
  const { primary } = lookup();
  store.begin(primary, encodeMeta({ ...META, key: primary.text }), 0, new RecordingOwner())!.finish();
  for (const isChanged of [false, true]) {
    const gate = Promise.withResolvers<void>();
    store.gate = gate.promise;
    const found = lookup().find();
    // Where more than the URL is in the key, the URL is what is invalidated.
    if (isChanged) invalidations.add(rules.key.ofUrl("http://a.example/a")!);
    gate.resolve();
    const entry = await found;
    assert.equal(entry === null, isChanged);
    entry?.release();
  }
  store.gate = null;
  assert.deepEqual([lookup().find(), store.held], [null, 0]);
});

test("what has failed is as good as not there, also when it is found just then", () => {
  const meta = encodeMeta({ ...META, bodyLength: 10 });
  const { Writing, Complete, Failed } = EntryState;
  const whole = [Writing, Complete, Failed].map((state) => isWhole({ state, meta }));
  assert.deepEqual(whole, [true, true, false]);
});
