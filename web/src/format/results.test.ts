import { describe, expect, it } from 'vitest';

import { resultOf } from './results';

const filled = { status: 'filled', code: 'filled' };

describe('what came of a signal', () => {
  it.each([
    [[], '0/0'],
    [[filled], '1/1'],
    [[filled, { status: 'partly_filled', code: 'partly_filled' }], '2/2'],
    [[{ status: 'denied', code: 'position_limit' }], '0/1: position limit'],
    [[filled, { status: 'pending', code: 'accepted' }], '1/2: pending'],
  ])('%j is %s', (outcomes, result) => {
    expect(resultOf(outcomes)).toBe(result);
  });
});
