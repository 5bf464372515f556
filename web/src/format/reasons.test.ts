import { expect, it } from 'vitest';

import { reasonOf } from './reasons';

it.each([
  ['denied', 'position_limit: An exit: too large.', { code: 'position_limit', sentence: 'An exit: too large.' }],
  ['denied', 'No code here', { sentence: 'No code here' }],
  ['rejected', 'error: insufficient margin', { sentence: 'error: insufficient margin' }],
  ['filled', null, { sentence: '' }],
  ['working', undefined, { sentence: '' }],
])('%s, %s', (status, reason, expected) => {
  expect(reasonOf(reason === undefined ? { status } : { status, reason })).toEqual(expected);
});
