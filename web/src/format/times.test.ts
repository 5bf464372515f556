import { describe, expect, it } from 'vitest';

import { dateTime, duration, exactly, fromLocalInput, toLocalInput } from './times';

describe('times', () => {
  it('shows a moment in the zone that was chosen', () => {
    const moment = '2026-03-20T12:34:56.789123Z';
    expect(dateTime(moment, 'UTC')).toBe('2026-03-20 12:34:56');
    expect(dateTime(moment, 'America/New_York')).toBe('2026-03-20 08:34:56');
    expect(dateTime(moment, 'America/Chicago')).toBe('2026-03-20 07:34:56');
  });

  it('keeps the microseconds that a Date would lose', () => {
    expect(exactly('2026-03-20T12:34:56.789123Z')).toBe('2026-03-20 12:34:56.789123 UTC');
    expect(exactly('2026-03-20T12:34:56Z')).toBe('2026-03-20 12:34:56.000000 UTC');
    expect(exactly('yesterday')).toBe('yesterday');
  });

  it.each([
    [0, '0 µs'],
    [850, '850 µs'],
    [12_345, '12.3 ms'],
    [4_560_000, '4.56 s'],
    [125_900_000, '2 min 5 s'],
  ])('shows %d microseconds as %s', (microseconds, shown) => {
    expect(duration(microseconds)).toBe(shown);
  });
});

describe('the field for a moment', () => {
  it('gives back what it was given, to the minute', () => {
    expect(toLocalInput(fromLocalInput('2026-03-20T12:34'))).toBe('2026-03-20T12:34');
  });

  it('is empty without a moment', () => {
    expect(fromLocalInput('')).toBeUndefined();
    expect(toLocalInput(undefined)).toBe('');
    expect(toLocalInput('yesterday')).toBe('');
  });
});
