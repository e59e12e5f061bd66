/** A file that a program's imports led to, as it was when it was loaded. Plain data. */
export interface LoadedModule {
  /** Absolute. */
  readonly path: string;
  /** SHA-256 of its bytes, in hexadecimal digits. */
  readonly digest: string;
}
