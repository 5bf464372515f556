import { describe, expect, it } from 'vitest';

import { grouped } from './codes';

const codes = (...names: string[]) => names.map((code) => ({ code }));

describe('reasons by who gives them', () => {
  it('divides the list where each group begins', () => {
    const groups = grouped(codes('accepted', 'invalid_secret', 'filled', 'halted', 'invalid_request', 'internal'));
    expect(groups.map(({ items }) => items.map(({ code }) => code))).toEqual([
      ['accepted', 'invalid_secret'],
      ['filled', 'halted'],
      ['invalid_request', 'internal'],
    ]);
  });

  it('leaves out a group without reasons', () => {
    expect(grouped(codes('filled', 'halted'))).toHaveLength(1);
  });
});
