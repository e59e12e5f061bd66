import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_TYPES } from "./coding-settings.ts";
import { ContentTypes, toTypePattern } from "./content-types.ts";

test("types are found by name, kind and ending, whatever their case and parameters", () => {
  const types = new ContentTypes(["text/*", "application/json", "+xml", "*+json"]);
  const inside = [
    "text/html",
    "TEXT/Plain; charset=utf-8",
    "application/json;a=b",
    "image/svg+xml",
    "a/b+c+json",
  ];
  for (const type of inside) assert.ok(types.has(type), type);
  const outside = ["", "text", "application/jsonp", "image/png", "application/xml", "a/b+xmlx", "+xml", "x"];
  for (const type of outside) assert.ok(!types.has(type), type);
  assert.ok(!new ContentTypes([]).has("text/plain"));
  assert.ok(new ContentTypes(["*"]).has("anything"));
});

test("by default it is text in all its forms, and not what is coded already", () => {
  const types = new ContentTypes(DEFAULT_TYPES);
  const inside = [
    "text/css",
    "application/ld+json",
    "image/svg+xml",
    "application/wasm",
    "text/event-stream",
  ];
  for (const type of inside) assert.ok(types.has(type), type);
  const outside = ["image/png", "video/mp4", "font/woff2", "application/zip", "application/octet-stream"];
  for (const type of outside) assert.ok(!types.has(type), type);
});

test("thousands of types aren't all remembered", () => {
  const types = new ContentTypes(["text/*"]);
  for (let i = 0; i < 2_000; i++) assert.equal(types.has(`text/x${i}`), true);
});

test("what is no pattern is refused", () => {
  assert.equal(toTypePattern("+JSON"), "*+json");
  for (const text of ["", "text", "text/", "/html", "*/html", "text/*l", "text/html; charset=utf-8", "+"])
    assert.throws(() => toTypePattern(text), RangeError, text);
});
