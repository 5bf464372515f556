/** The strategies: what each trades, where, and what it holds. */
import { Button } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';

import { type Schemas, api, got } from '../../api/client';
import { openPositionsQuery } from '../../api/positions';
import { pagingOf, useSearchParts } from '../../parts/address';
import { type Column, List } from '../../parts/list';
import { useNames } from '../../parts/names';
import { Page } from '../../parts/page';
import { To } from '../../parts/to';
import { Figure, Profit } from '../../parts/values';
import { ActiveSwitch } from './active';
import { AccountName, Held } from './cells';

type Row = Schemas['Strategy'];

const PAGE = 50;

export function StrategiesPage(): ReactNode {
  const [{ cursor }, go] = useSearchParts('cursor');
  const strategies = useQuery({
    queryKey: ['strategies', 'page', cursor],
    placeholderData: keepPreviousData,
    queryFn: () =>
      got(api.GET('/api/v1/strategies', { params: { query: { limit: PAGE, ...(cursor !== undefined && { cursor }) } } })),
  });
  const make = (
    <Button component={Link} to="/strategies/new">
      New strategy
    </Button>
  );
  return (
    <Page actions={make} title="Strategies">
      <List
        columns={useColumns()}
        empty={
          <>
            No strategy yet. A strategy says what the alerts of a webhook do on a broker account.{' '}
            <To to="/strategies/new" underline="always">
              Make the first one
            </To>
          </>
        }
        keyOf={(row) => row.id}
        label="Strategies"
        minWidth={900}
        paging={pagingOf(cursor, go)}
        query={strategies}
      />
    </Page>
  );
}

function useColumns(): Column<Row>[] {
  const names = useNames();
  const open = useQuery(openPositionsQuery).data;
  const positions = open?.items;
  const isKnown = (row: Row) => open?.next_cursor === null || held(row) !== undefined;
  const held = (row: Row) => positions?.find(({ strategy_id, symbol }) => strategy_id === row.id && symbol === row.symbol);
  return [
    {
      head: 'Name',
      cell: (row) => (
        <To fw={600} inherit to={`/strategies/${row.id}`}>
          {row.name}
        </To>
      ),
    },
    { head: 'Active', cell: (row) => <ActiveSwitch strategy={row} /> },
    {
      head: 'Webhook',
      cell: (row) => (
        <To inherit to={`/webhooks/${row.webhook_id}`}>
          {names.webhook(row.webhook_id)}
        </To>
      ),
    },
    { head: 'Account', cell: (row) => <AccountName id={row.broker_account_id} /> },
    { head: 'Symbol', cell: (row) => row.symbol },
    { head: 'Quantity', figure: true, cell: (row) => <Figure value={row.quantity} /> },
    { head: 'Position', figure: true, cell: (row) => (isKnown(row) ? <Held position={held(row)} /> : '–') },
    {
      head: 'Unrealized',
      figure: true,
      cell: (row) => <Profit amount={held(row)?.unrealized_profit} currency={held(row)?.currency} />,
    },
  ];
}
