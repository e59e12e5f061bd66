import { I32, I64, op, type WasmFunction, type WasmParts, wasmModule } from "./wasm-module.ts";

const NAME_AT = 16;

/** Parameters of `sluice_transform` as they stand in its locals. */
export const P = {
  plugin: 0,
  connection: 1,
  direction: 2,
  input: 3,
  length: 4,
  output: 5,
  capacity: 6,
} as const;

export function wasmFunction(
  name: string,
  parameters: number,
  body: readonly (readonly number[])[],
  results: readonly number[] = [I32],
  locals = 0,
): WasmFunction {
  return { name, parameters: new Array<number>(parameters).fill(I32), results, locals, body };
}

/** `sluice_transform` with a body that leaves a number of 64 bits. */
export function transformBy(...body: readonly (readonly number[])[]): WasmFunction {
  return wasmFunction("sluice_transform", 7, body, [I64], 2);
}

/** A plugin of a name, with these functions beside those that every plugin has. */
export function wasmPlugin(
  name: string,
  functions: readonly WasmFunction[],
  parts: Omit<WasmParts, "functions" | "texts"> = {},
): Buffer {
  const common = [
    wasmFunction("sluice_plugin_abi_version", 0, [op.i32(1)]),
    wasmFunction("sluice_plugin_name", 0, [op.i32(NAME_AT)]),
  ];
  return wasmModule({ ...parts, functions: [...common, ...functions], texts: [{ at: NAME_AT, text: name }] });
}

const INDEX = 7;
const BYTE = 8;

/** Makes capital letters of small ones; a `!` among them is the end of the module. */
export const upperCase: WasmFunction = transformBy(
  op.block,
  op.loop,
  ...[op.get(INDEX), op.get(P.length), op.atLeast, op.brIf(1)],
  ...[op.get(P.input), op.get(INDEX), op.add, op.loadByte, op.set(BYTE)],
  ...[op.get(BYTE), op.i32(0x21), op.equal, op.if, op.unreachable, op.end],
  ...[op.get(P.output), op.get(INDEX), op.add],
  ...[op.get(BYTE), op.get(BYTE), op.i32(0x61), op.subtract, op.i32(26), op.less],
  ...[op.i32(5), op.shiftLeft, op.subtract, op.storeByte],
  ...[op.get(INDEX), op.i32(1), op.add, op.set(INDEX), op.br(0)],
  op.end,
  op.end,
  op.get(P.length),
  op.toI64,
);
