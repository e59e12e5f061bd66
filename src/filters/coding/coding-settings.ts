/** What bodies are compressed with, as `Content-Encoding` calls it, in the order in which we prefer them. */
export const CODINGS = ["zstd", "br", "gzip"] as const;

export type Coding = (typeof CODINGS)[number];

/** How responses are compressed. */
export interface CompressSettings {
  /** In the order of preference, where a client likes several the same. */
  readonly codings: readonly Coding[];
  /** How hard each works: zstd 1 to 19, br 0 to 11, gzip 1 to 9. */
  readonly levels: Readonly<Record<Coding, number>>;
  /** The same for what is coded once, to be kept in a cache; what is absent is as in `levels`. */
  readonly cachedLevels: Readonly<Partial<Record<Coding, number>>>;
  /** Content types, in the forms that `ContentTypes` knows. */
  readonly types: readonly string[];
  /** Bytes; a body that is known to be shorter stays as it is. */
  readonly minSize: number;
  /** Whether responses are compressed whose request has a cookie, or that set one. */
  readonly cookies: boolean;
}

/** Which responses of servers are decompressed. */
export interface DecompressSettings {
  /** `unaccepted`: those whose coding the client doesn't accept. `always`: all, for filters and plugins to see them plain. */
  readonly when: "unaccepted" | "always";
  /** How many times as long as what the server sent a body may become, from its first MiB on. */
  readonly maxRatio: number;
  /** Bytes that a body may become. */
  readonly maxSize: number;
}

/** What takes little time for much of the gain: measured in docs/performance.md. */
export const DEFAULT_LEVELS: Readonly<Record<Coding, number>> = { zstd: 3, br: 4, gzip: 5 };

export const LEVEL_BOUNDS: Readonly<Record<Coding, readonly [least: number, most: number]>> = {
  zstd: [1, 19],
  br: [0, 11],
  gzip: [1, 9],
};

/** What is text, though it isn't called so; what has a coding of its own, such as images and WOFF fonts, isn't among it. */
export const DEFAULT_TYPES: readonly string[] = [
  ...["text/*", "*+json", "*+xml", "*+text"],
  ...["application/json", "application/javascript", "application/xml", "application/x-javascript"],
  ...[
    "application/x-ndjson",
    "application/yaml",
    "application/toml",
    "application/sql",
    "application/graphql",
  ],
  ...[
    "application/wasm",
    "application/vnd.ms-fontobject",
    "application/x-font-ttf",
    "application/x-font-otf",
  ],
  ...["font/ttf", "font/otf", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon"],
];

export const DEFAULT_COMPRESS: CompressSettings = {
  codings: CODINGS,
  levels: DEFAULT_LEVELS,
  cachedLevels: {},
  types: DEFAULT_TYPES,
  minSize: 1024,
  cookies: true,
};

export const DEFAULT_DECOMPRESS: DecompressSettings = {
  when: "unaccepted",
  maxRatio: 100,
  maxSize: 1024 ** 3,
};
