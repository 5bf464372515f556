/** What a halt stops. */
import type { Schemas } from '../api/client';

type Place = Pick<Schemas['Strategy'], 'id' | 'broker_account_id'>;

/** Whether any of the halts stops a strategy: its own, its account's, or the system's. */
export function isHalted(strategy: Place, halts: readonly Pick<Schemas['Halt'], 'scope' | 'target_id'>[]): boolean {
  return halts.some(
    ({ scope, target_id: target }) =>
      scope === 'system' ||
      (scope === 'account' && target === strategy.broker_account_id) ||
      (scope === 'strategy' && target === strategy.id),
  );
}
