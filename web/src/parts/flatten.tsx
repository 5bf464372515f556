/** Getting out of the market: of one strategy's position, or of everything on an account. */
import { useQueryClient } from '@tanstack/react-query';

import { type Schemas, api, got } from '../api/client';
import { grouped } from '../format/decimals';
import { Confirm } from './confirm';

/** What is to move by itself afterwards; the fills that follow come as events. */
const CHANGED = ['positions', 'strategies', 'signals', 'orders'] as const;

function useFlattened() {
  const queries = useQueryClient();
  return () => Promise.all(CHANGED.map((key) => queries.invalidateQueries({ queryKey: [key] })));
}

interface FlattenStrategyProps {
  strategy: Pick<Schemas['Strategy'], 'id' | 'name' | 'active'>;
  /** What it holds: the question names it. */
  position: Pick<Schemas['Position'], 'side' | 'net_qty'>;
  symbol: string;
}

export function FlattenStrategy({ strategy, position, symbol }: FlattenStrategyProps) {
  const flattened = useFlattened();
  const { id, name, active } = strategy;
  const flatten = async () => {
    await got(api.POST('/api/v1/strategies/{id}/flatten', { params: { path: { id } } }));
    await flattened();
  };
  const held = `its ${position.side} position of ${grouped(position.net_qty.replace('-', ''))} ${symbol}`;
  return (
    <Confirm about={name} act={flatten} confirm="Flatten" label="Flatten">
      Cancels the entries of {name} that wait at the broker and closes {position.side === 'flat' ? `what it may hold of ${symbol}` : held} at the
      market.
      {active && ' The strategy stays active: its next alert may enter again. Pause it first if it should not.'}
    </Confirm>
  );
}

export function FlattenAccount({ account }: { account: Pick<Schemas['BrokerAccount'], 'id' | 'label'> }) {
  const flattened = useFlattened();
  const { id, label } = account;
  const flatten = async () => {
    await got(api.POST('/api/v1/broker-accounts/{id}/flatten', { params: { path: { id } } }));
    await flattened();
  };
  return (
    <Confirm about={label} act={flatten} confirm="Flatten the account" label="Flatten">
      Cancels the entries that wait at the broker on {label} and exits every position that your strategies hold there, at the market. What was
      traded there by hand stays. Strategies stay active: the next alert may enter again. Halt entries first if it
      should not.
    </Confirm>
  );
}
