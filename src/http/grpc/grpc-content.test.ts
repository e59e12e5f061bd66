import assert from "node:assert/strict";
import { test } from "node:test";
import { isGrpcType, parseWebContent, wantsText } from "./grpc-content.ts";

test("gRPC is told by its content type, and gRPC-Web isn't taken for it", () => {
  for (const type of [
    "application/grpc",
    "application/grpc+proto",
    "Application/GRPC; charset=x",
    "application/grpc ;x",
  ])
    assert.equal(isGrpcType(type), true, type);
  for (const type of [
    "",
    "application/grpcx",
    "application/grpc-web",
    "application/grpc-web+proto",
    "text/grpc",
  ])
    assert.equal(isGrpcType(type), false, type);
});

test("gRPC-Web is told with what its messages are made of", () => {
  assert.deepEqual(parseWebContent("application/grpc-web"), { isText: false, rest: "" });
  assert.deepEqual(parseWebContent("application/grpc-web+proto"), { isText: false, rest: "+proto" });
  assert.deepEqual(parseWebContent("application/grpc-web-text+json; a=b "), {
    isText: true,
    rest: "+json; a=b",
  });
  assert.deepEqual(parseWebContent("APPLICATION/grpc-web-TEXT"), { isText: true, rest: "" });
  for (const type of [
    "application/grpc",
    "application/grpc-webs",
    "application/grpc-web-text2",
    "application/grpc-web+",
  ])
    assert.equal(parseWebContent(type), null, type);
});

test("an answer has the form that is accepted, or that of the request", () => {
  assert.equal(wantsText(null, true), true);
  assert.equal(wantsText("*/*", false), false);
  assert.equal(wantsText("application/grpc-web-text", false), true);
  assert.equal(wantsText("application/grpc-web+proto", true), false);
});
