/** Moments come as RFC 3339 in UTC with microseconds, of which `Date` keeps only three digits. */

/** The zones that times are shown in: the reader's, the program's, and those of the exchanges. */
export const ZONES = {
  local: 'Local time',
  UTC: 'UTC',
  'America/New_York': 'New York (NYSE)',
  'America/Chicago': 'Chicago (CME)',
} as const;

export type Zone = keyof typeof ZONES;

const MOMENT = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?Z$/;

/** The moment in a zone, to the second: `2026-03-20 12:34:56`. */
export function dateTime(moment: string, zone: Zone): string {
  const timeZone = zone === 'local' ? {} : { timeZone: zone };
  const format = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium', ...timeZone });
  return format.format(new Date(moment));
}

/** The moment in UTC to the microsecond. */
export function exactly(moment: string): string {
  const parts = MOMENT.exec(moment);
  const [, seconds = moment, fraction = ''] = parts ?? [];
  return parts === null ? moment : `${seconds.replace('T', ' ')}.${fraction.padEnd(6, '0')} UTC`;
}

/** A span: `850 µs`, `12.3 ms`, `4.56 s`, `2 min 5 s`. */
export function duration(microseconds: number): string {
  if (microseconds < 1_000) {
    return `${microseconds} µs`;
  }
  if (microseconds < 1_000_000) {
    return `${(microseconds / 1_000).toPrecision(3)} ms`;
  }
  const seconds = microseconds / 1_000_000;
  if (seconds < 60) {
    return `${seconds.toPrecision(3)} s`;
  }
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** What a browser's field for a moment holds, in the reader's own zone, as RFC 3339 in UTC; undefined where it is empty. */
export function fromLocalInput(text: string): string | undefined {
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

/** The other way round, to the minute. */
export function toLocalInput(moment: string | undefined): string {
  const at = new Date(moment ?? '');
  return Number.isNaN(at.getTime()) ? '' : dateTime(at.toISOString(), 'local').slice(0, 16).replace(' ', 'T');
}
