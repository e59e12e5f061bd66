/*
 * Modules of WebAssembly without a compiler: the few parts of the binary format that plugins in tests need. Bodies are
 * opcodes; those that occur have names.
 */

export const I32 = 0x7f;
export const I64 = 0x7e;

export const op = {
  unreachable: [0x00],
  block: [0x02, 0x40],
  loop: [0x03, 0x40],
  if: [0x04, 0x40],
  end: [0x0b],
  return: [0x0f],
  br: (depth: number): number[] => [0x0c, depth],
  brIf: (depth: number): number[] => [0x0d, depth],
  get: (local: number): number[] => [0x20, local],
  set: (local: number): number[] => [0x21, local],
  loadByte: [0x2d, 0, 0],
  load: [0x28, 2, 0],
  storeByte: [0x3a, 0, 0],
  store: [0x36, 2, 0],
  grow: [0x40, 0],
  i32: (value: number): number[] => [0x41, ...signed(value)],
  i64: (value: number): number[] => [0x42, ...signed(value)],
  equal: [0x46],
  less: [0x49],
  atLeast: [0x4f],
  add: [0x6a],
  subtract: [0x6b],
  shiftLeft: [0x74],
  toI64: [0xad],
} as const;

export interface WasmFunction {
  /** What it is exported as. */
  readonly name: string;
  readonly parameters: readonly number[];
  readonly results: readonly number[];
  /** More locals of 32 bits, behind the parameters. */
  readonly locals?: number;
  readonly body: readonly (readonly number[])[];
}

export interface WasmParts {
  readonly functions: readonly WasmFunction[];
  /** Pages of 64 KiB, at first and at most. Default 1, and no limit. */
  readonly memory?: readonly [least: number, most?: number];
  /** Default: exported as `memory`. */
  readonly hidesMemory?: boolean;
  /** Text in memory, with a NUL behind it. */
  readonly texts?: readonly { readonly at: number; readonly text: string }[];
  /** A function without parameters that is imported, `module.name`. */
  readonly imports?: readonly [module: string, name: string];
}

/** The bytes of a module. */
export function wasmModule({ functions, memory = [1], hidesMemory, texts = [], imports }: WasmParts): Buffer {
  const types = functions.map(({ parameters, results }) => [0x60, ...list(parameters), ...list(results)]);
  const first = imports === undefined ? 0 : 1;
  const exported = functions.map(({ name }, i) => [...text(name), 0, ...unsigned(first + i)]);
  if (hidesMemory !== true) exported.push([...text("memory"), 2, 0]);
  const [least, most] = memory;
  const limits = most === undefined ? [0, ...unsigned(least)] : [1, ...unsigned(least), ...unsigned(most)];
  const sections: [id: number, entries: readonly (readonly number[])[]][] = [
    [1, [...types, [0x60, 0, 0]]],
    [2, imports === undefined ? [] : [[...text(imports[0]), ...text(imports[1]), 0, types.length]]],
    [3, functions.map((_, i) => unsigned(i))],
    [5, [limits]],
    [7, exported],
    [10, functions.map(code)],
    [11, texts.map(({ at, text: value }) => [0, ...op.i32(at), ...op.end, ...text(`${value}\0`)])],
  ];
  const bytes = sections.filter(([, entries]) => entries.length > 0).flatMap(section);
  return Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...bytes]);
}

function section([id, entries]: [number, readonly (readonly number[])[]]): number[] {
  return [id, ...list([...unsigned(entries.length), ...entries.flat()])];
}

function code({ locals = 0, body }: WasmFunction): number[] {
  const declared = locals === 0 ? [0] : [1, ...unsigned(locals), I32];
  return list([...declared, ...body.flat(), ...op.end]);
}

/** Bytes with their number before them. */
function list(bytes: readonly number[]): number[] {
  return [...unsigned(bytes.length), ...bytes];
}

function text(value: string): number[] {
  return list([...Buffer.from(value)]);
}

function unsigned(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

function signed(value: number): number[] {
  const rest = value >> 7;
  const isLast = (rest === 0 && (value & 0x40) === 0) || (rest === -1 && (value & 0x40) !== 0);
  return isLast ? [value & 0x7f] : [(value & 0x7f) | 0x80, ...signed(rest)];
}
