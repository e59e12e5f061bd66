import assert from "node:assert/strict";
import { test } from "node:test";
import { skipWithout } from "./peer.ts";
import { openTerminal } from "./tmux.ts";

test("a shell in a terminal runs commands and shows what they print", {
  skip: skipWithout("tmux"),
}, async () => {
  await using terminal = await openTerminal({ columns: 60, rows: 10, env: { GREETING: "hello" } });
  await terminal.run('echo "$GREETING $(stty size)"');
  await terminal.shows("hello 10 60");
  await terminal.resize(70, 12);
  await terminal.run("stty size");
  await terminal.shows(/^12 70$/m);
  assert.deepEqual(await terminal.state(), { isAlternateScreen: false, isCursorShown: true });
  await assert.rejects(terminal.tmux("no-such-command"));
});
