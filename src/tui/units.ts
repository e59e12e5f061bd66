const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** Bytes in powers of 1000, as rates are written: `0 B`, `999 B`, `12.3 MB`. At most 7 characters. */
export function formatBytes(bytes: number): string {
  let value = Math.max(bytes, 0);
  let unit = 0;
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${BYTE_UNITS[unit]}`;
}

/** Bytes a second: at most 9 characters. */
export function formatRate(rate: number): string {
  return `${formatBytes(rate)}/s`;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long something has lasted, at most 5 characters: `12s`, `9m05s`, `59m`, `9h59m`, `99h`, `12d`. */
export function formatAge(milliseconds: number): string {
  if (milliseconds < MINUTE) return `${Math.floor(milliseconds / SECOND)}s`;
  if (milliseconds < HOUR) return twoUnits(milliseconds, MINUTE, "m", SECOND, "s");
  if (milliseconds < 100 * HOUR) return twoUnits(milliseconds, HOUR, "h", MINUTE, "m");
  return `${Math.floor(milliseconds / DAY)}d`;
}

/** The smaller unit is told while the greater has one digit. */
function twoUnits(value: number, greater: number, name: string, smaller: number, smallName: string): string {
  const whole = Math.floor(value / greater);
  if (whole >= 10) return `${whole}${name}`;
  const rest = Math.floor((value % greater) / smaller);
  return `${whole}${name}${String(rest).padStart(2, "0")}${smallName}`;
}

/** The local time of day of a moment in milliseconds since 1970: `09:05:59`. */
export function formatTime(time: number): string {
  return new Date(time).toTimeString().slice(0, 8);
}

/** Text from outside may hold escape sequences, which a terminal would obey. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "·");
}
