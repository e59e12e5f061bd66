import assert from "node:assert/strict";
import { test } from "node:test";
import { layOut } from "./layout.ts";

test("80x24 has the menu in rows and room for both lists", () => {
  assert.deepEqual(layOut(80, 24), {
    ...{ columns: 80, rows: 24, isFlat: false, isRoomy: true, connectionRows: 6, eventRows: 5 },
  });
});

test("60x15 has the menu in one row", () => {
  const { isFlat, isRoomy, connectionRows, eventRows } = layOut(60, 15);
  assert.deepEqual(
    { isFlat, isRoomy, connectionRows, eventRows },
    {
      ...{ isFlat: true, isRoomy: true, connectionRows: 3, eventRows: 3 },
    },
  );
});

test("rows are never fewer than none, and never more than the screen's", () => {
  for (let rows = 0; rows < 80; rows++) {
    const { isFlat, connectionRows, eventRows } = layOut(80, rows);
    assert.ok(connectionRows >= 0 && eventRows >= 0, String(rows));
    if (rows >= 10) assert.equal((isFlat ? 9 : 13) + connectionRows + eventRows, rows);
  }
});
