/**
 * The three forms of a date (RFC 9110 §5.6.7). Case doesn't matter, spaces and digits do: `Expires` is set to rubbish by
 * many who mean "never store", and a cache that makes a date of it stores for years.
 */
const FIXDATE = /^[a-z]{3}, (\d\d) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) gmt$/;
const RFC850 = /^[a-z]{6,9}, (\d\d)-([a-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d) gmt$/;
const ASCTIME = /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d\d):(\d\d):(\d\d) (\d{4})$/;

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/** The longest date there is: `Wednesday, 01-Jan-25 00:00:00 GMT`. */
const LONGEST = 33;

/**
 * The time that an HTTP date tells, in milliseconds since 1970.
 * @param now likewise; by it the century of a two-digit year is found
 * @returns NaN when it is none
 */
export function parseHttpDate(text: string, now: number): number {
  if (text.length > LONGEST) return Number.NaN;
  const lower = text.toLowerCase();
  const fix = FIXDATE.exec(lower);
  if (fix !== null) return toTime(Number(fix[3]), fix[2]!, fix[1]!, fix.slice(4));
  const old = RFC850.exec(lower);
  if (old !== null) return toTime(fullYear(Number(old[3]), now), old[2]!, old[1]!, old.slice(4));
  const asctime = ASCTIME.exec(lower);
  if (asctime !== null) return toTime(Number(asctime[6]), asctime[1]!, asctime[2]!, asctime.slice(3, 6));
  return Number.NaN;
}

/** A year that seems to be more than fifty years ahead is one that is past. */
function fullYear(twoDigits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}

function toTime(year: number, monthName: string, dayText: string, clock: readonly string[]): number {
  const month = MONTHS.indexOf(monthName);
  const day = Number(dayText);
  const [hour, minute, second] = clock.map(Number) as [number, number, number];
  // 60 is a leap second.
  if (month === -1 || hour > 23 || minute > 59 || second > 60) return Number.NaN;
  const date = new Date(0);
  // Not `Date.UTC`, for which the year 50 is 1950.
  date.setUTCFullYear(year, month, day);
  if (date.getUTCMonth() !== month || date.getUTCDate() !== day) return Number.NaN;
  return date.setUTCHours(hour, minute, second);
}
