/**
 * How a meta lies in its bytes, little endian: numbers first, so that whoever looks an entry up decides by them and makes no
 * string; then one word for each field, then texts in latin1.
 *
 *     | fixed numbers | a word for each field | key | vary | tags | Name: value CRLF … |
 *
 * The word of a field: its `FieldId` in 5 bits, the length of its name in 8, of its value in 19.
 */
export const META_VERSION = 1;

/** Where the fixed numbers stand, and what they are. */
export const At = {
  /** u8 */
  Version: 0,
  /** u8 */
  FieldCount: 1,
  /** u16 */
  Status: 2,
  /** u32, `MetaFlag` bits */
  Flags: 4,
  /** f64, milliseconds since 1970, as the next three; NaN where there is none */
  ResponseTime: 8,
  BornAt: 16,
  Date: 24,
  LastModified: 32,
  /** f64, -1 while nobody knows */
  BodyLength: 40,
  /** i32, seconds, as the next two */
  Lifetime: 48,
  StaleWhileRevalidate: 52,
  StaleIfError: 56,
  /** u32 */
  Generation: 60,
  /** u32 */
  Epoch: 64,
  /** u32, bits of the `FieldId`s that are there */
  Present: 68,
  /** u32 lengths of the texts */
  KeyLength: 72,
  LinesLength: 76,
  /** u16 */
  VaryLength: 80,
  TagsLength: 82,
} as const;

/** Bytes of the fixed numbers. */
export const FIXED = 84;
/** Bytes of a field's word. */
export const WORD = 4;

export const ID_BITS = 5;
export const NAME_BITS = 8;
export const LONGEST_NAME: number = 2 ** NAME_BITS - 1;
export const LONGEST_VALUE: number = 2 ** (32 - ID_BITS - NAME_BITS) - 1;
export const MOST_FIELDS = 255;
/** Of the texts for vary and tags. */
export const LONGEST_TEXT = 0xffff;

/** What stands between a name and its value, and behind the value. */
export const AFTER_NAME = ": ";
export const AFTER_VALUE = "\r\n";
