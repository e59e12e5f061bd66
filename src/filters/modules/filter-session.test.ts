import assert from "node:assert/strict";
import { test } from "node:test";
import { createSession } from "../../../test/kit/session.ts";
import { Session } from "../../proxy/session.ts";
import { FilterSession } from "./filter-session.ts";

/** What filters aren't shown: the engine's own. */
const HIDDEN = [
  ...["attendant", "bodyFilters", "notedIn", "notedOut", "pathMark", "pluginRow", "plugins"],
  ...["routeTraffic", "upstreamTraffic", "cacheRules", "coding"],
];

test("a filter finds in a session what a program finds there", () => {
  const { session } = createSession<unknown>({ target: "/a?b" });
  const view = new FilterSession(session);
  const names = [...Object.keys(session), ...Object.getOwnPropertyNames(Session.prototype)];
  for (const name of names.filter((each) => !HIDDEN.includes(each))) {
    const key = name as keyof FilterSession;
    assert.ok(key in view, name);
    if (key !== "context" && typeof view[key] !== "function") assert.equal(view[key], session[key], name);
  }
});

test("what a filter does with a session happens to it", () => {
  const lone = createSession<unknown>();
  const { session } = lone;
  const view = new FilterSession(session);
  const gate = { enter: () => true, leave: () => undefined };
  view.retryGate = gate;
  view.retryPolicy = { ...view.retryPolicy, maxTries: 3 };
  view.context = "mine";
  assert.equal(session.retryGate, gate);
  assert.equal(session.retryPolicy.maxTries, 3);
  assert.equal(session.context, undefined);
  assert.equal(view.respond({ status: 204 }), true);
  assert.deepEqual([lone.answer?.status, view.responded, view.response?.status], [204, true, 204]);
});
