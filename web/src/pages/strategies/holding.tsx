/** What a strategy holds, what it has made of it, and the rules of what it trades. */
import { Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import type { Schemas } from '../../api/client';
import { positionsOf } from '../../api/positions';
import { grouped, money } from '../../format/decimals';
import { type Fact, Facts } from '../../parts/facts';
import { FlattenStrategy } from '../../parts/flatten';
import { Section } from '../../parts/section';
import { Refusal } from '../../parts/state';
import { Figure, Profit } from '../../parts/values';
import { When } from '../../parts/zone';
import { AccountName, Held } from './cells';

export function Holding({ strategy }: { strategy: Schemas['StrategyDetail'] }) {
  const { id, symbol } = strategy;
  const positions = useQuery(positionsOf({ strategy_id: id, symbol }));
  const position = positions.data?.items[0];
  const held = position ?? strategy.position;
  return (
    <Section beside={<FlattenStrategy position={held} strategy={strategy} symbol={symbol} />} title="Position">
      {positions.isError && <Refusal error={positions.error} retry={() => void positions.refetch()} />}
      <Facts
        facts={[
          ['Holds', <Held key="held" position={held} />],
          ['Average price', held.side === 'flat' ? '–' : <Figure value={held.avg_price} />],
          ['Price now', <PriceNow key="price" position={position} />],
          ['Unrealized', <Profit amount={position?.unrealized_profit} currency={position?.currency} key="open" />],
          ['Realized, before commission', <Profit amount={position?.realized_profit} currency={position?.currency} key="made" />],
          ['Commission', position === undefined ? '–' : money(position.commission)],
          ['Last change', <When at={position?.updated_at} key="changed" />],
        ]}
      />
    </Section>
  );
}

function PriceNow({ position }: { position: Schemas['Position'] | undefined }) {
  return (
    <>
      <Figure value={position?.mark_price} />
      {position?.simulated === true && (
        <Text c="dimmed" component="span" size="xs">
          {' '}
          simulated
        </Text>
      )}
    </>
  );
}

export function Terms({ strategy, webhook }: { strategy: Schemas['StrategyDetail']; webhook: Fact[1] }) {
  const { instrument, symbol } = strategy;
  const rules: Fact[] =
    instrument == null
      ? []
      : [
          ['Exchange', instrument.exchange],
          ['Tick', grouped(instrument.tick_size)],
          ['A point is worth', `${grouped(instrument.multiplier)} ${instrument.currency}`],
          ['Lot', grouped(instrument.lot_size)],
        ];
  return (
    <Section title="What it trades">
      <Facts
        facts={[
          ['Symbol', instrument == null ? symbol : `${symbol}, ${instrument.name}`],
          ['Webhook', webhook],
          ['Account', <AccountName id={strategy.broker_account_id} key="account" />],
          ['Quantity, limit', `${grouped(strategy.quantity)}, ${grouped(strategy.max_position)}`],
          ...rules,
        ]}
      />
    </Section>
  );
}
