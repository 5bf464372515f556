/** The strategies that trade on an account. */
import { Text } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';

import type { Schemas } from '../../api/client';
import { type Column, List } from '../../parts/list';
import { useNames } from '../../parts/names';
import { Section } from '../../parts/section';
import { To } from '../../parts/to';
import { Figure } from '../../parts/values';

type Row = Schemas['Strategy'];

interface StrategiesHereProps {
  account: number;
  query: UseQueryResult<{ items: Row[]; next_cursor: string | null }>;
}

export function StrategiesHere({ account, query }: StrategiesHereProps) {
  const names = useNames();
  const search = { broker_account_id: String(account) };
  const add = (
    <To search={search} size="sm" to="/strategies/new">
      New strategy here
    </To>
  );
  const columns: Column<Row>[] = [
    {
      head: 'Name',
      cell: (row) => (
        <To fw={600} inherit to={`/strategies/${row.id}`}>
          {row.name}
        </To>
      ),
    },
    {
      head: 'Runs',
      cell: (row) => (
        <Text c={row.active ? 'var(--profit)' : 'var(--calm)'} inherit span>
          {row.active ? 'active' : 'paused'}
        </Text>
      ),
    },
    { head: 'Webhook', cell: (row) => names.webhook(row.webhook_id) },
    { head: 'Symbol', cell: (row) => row.symbol },
    { head: 'Quantity', figure: true, cell: (row) => <Figure value={row.quantity} /> },
    { head: 'Limit', figure: true, cell: (row) => <Figure value={row.max_position} /> },
  ];
  return (
    <Section beside={add} title="Strategies">
      <List
        columns={columns}
        empty="No strategy trades here yet."
        keyOf={(row) => row.id}
        label="Strategies on this account"
        minWidth={560}
        query={query}
      />
    </Section>
  );
}
