import { expect, it } from 'vitest';

import { isHalted } from './halts';

it.each([
  [{ scope: 'system', target_id: null }, true],
  [{ scope: 'account', target_id: 3 }, true],
  [{ scope: 'account', target_id: 7 }, false],
  [{ scope: 'strategy', target_id: 7 }, true],
  [{ scope: 'strategy', target_id: 3 }, false],
] as const)('%o stops strategy 7 on account 3: %s', (halt, stops) => {
  expect(isHalted({ id: 7, broker_account_id: 3 }, [halt])).toBe(stops);
  expect(isHalted({ id: 7, broker_account_id: 3 }, [])).toBe(false);
});
