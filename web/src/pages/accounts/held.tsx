/** What an account holds, by the broker's books and by ours, side by side. */
import { SimpleGrid, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { positionsOf } from '../../api/positions';
import { type Column, List } from '../../parts/list';
import { useNames } from '../../parts/names';
import { Section } from '../../parts/section';
import { To } from '../../parts/to';
import { Figure, Profit, SideText } from '../../parts/values';
import { PACE, Unknown } from './money';

export function BothBooks({ id, connected }: { id: number; connected: boolean }) {
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <AtBroker connected={connected} id={id} />
      <OfStrategies id={id} />
    </SimpleGrid>
  );
}

/** The same columns on both sides, so that the eye can compare. */
type Either = Pick<Schemas['Position'], 'symbol' | 'side' | 'net_qty' | 'avg_price' | 'unrealized_profit'>;

const COLUMNS: readonly Column<Either>[] = [
  { head: 'Symbol', cell: (row) => row.symbol },
  {
    head: 'Position',
    figure: true,
    cell: (row) => (
      <>
        <SideText side={row.side} /> <Figure value={row.net_qty.replace('-', '')} />
      </>
    ),
  },
  { head: 'Average', figure: true, cell: (row) => <Figure value={row.avg_price} /> },
  { head: 'Unrealized', figure: true, cell: (row) => <Profit amount={row.unrealized_profit} /> },
];

function AtBroker({ id, connected }: { id: number; connected: boolean }) {
  const positions = useQuery({
    queryKey: ['positions', 'at broker', id],
    enabled: connected,
    refetchInterval: PACE,
    queryFn: () => got(api.GET('/api/v1/broker-accounts/{id}/positions', { params: { path: { id } } })),
  });
  return (
    <Section title="At the broker">
      <Text size="sm">
        Everything on the account, whoever traded it.
      </Text>
      {connected ? (
        <List
          columns={COLUMNS}
          empty="The broker holds nothing."
          keyOf={(row) => row.symbol}
          label="Positions at the broker"
          minWidth={340}
          query={positions}
        />
      ) : (
        <Unknown />
      )}
    </Section>
  );
}

function OfStrategies({ id }: { id: number }) {
  const names = useNames();
  const positions = useQuery(positionsOf({ broker_account_id: id, limit: 200, open: true }));
  const strategy: Column<Schemas['Position']> = {
    head: 'Strategy',
    cell: (row) => (
      <To inherit to={`/strategies/${row.strategy_id}`}>
        {names.strategy(row.strategy_id)}
      </To>
    ),
  };
  return (
    <Section title="By your strategies">
      <Text size="sm">
        What Atomik’s own fills add up to, strategy by strategy.
      </Text>
      <List
        columns={[strategy, ...COLUMNS]}
        empty="No strategy holds anything here."
        keyOf={(row) => `${row.strategy_id} ${row.symbol}`}
        label="Positions by your strategies"
        minWidth={420}
        query={positions}
      />
    </Section>
  );
}
