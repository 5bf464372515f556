/** The positions, strategy by strategy. */
import { Group, NativeSelect, Switch, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { type PositionFilter, positionsOf } from '../../api/positions';
import { strategiesQuery } from '../../api/strategies';
import { money } from '../../format/decimals';
import { pagingOf, useSearchParts } from '../../parts/address';
import { CsvLink, Filters, asFilter } from '../../parts/filters';
import { FlattenStrategy } from '../../parts/flatten';
import { type Column, List } from '../../parts/list';
import { type Names, useNames } from '../../parts/names';
import { Page } from '../../parts/page';
import { To } from '../../parts/to';
import { Figure, Profit, SideText } from '../../parts/values';
import { When } from '../../parts/zone';

type Position = Schemas['Position'];

const FILTERS = ['strategy_id', 'broker_account_id', 'symbol', 'since', 'until'] as const;

function columnsOf(names: Names, isActive: (strategy: number) => boolean): readonly Column<Position>[] {
  return [
    {
      head: 'Strategy',
      cell: ({ strategy_id, broker_account_id }) => (
        <>
          <To inherit to={`/strategies/${strategy_id}`}>
            {names.strategy(strategy_id)}
          </To>
          <Text c="dimmed" size="xs">
            {names.account(broker_account_id)}
          </Text>
        </>
      ),
    },
    {
      head: 'Position',
      cell: ({ side, net_qty, symbol }) => (
        <>
          <SideText side={side} /> {side !== 'flat' && <Figure value={net_qty.replace('-', '')} />} {symbol}
        </>
      ),
    },
    { head: 'Average', figure: true, cell: ({ side, avg_price }) => (side === 'flat' ? '–' : <Figure value={avg_price} />) },
    {
      head: 'Price now',
      figure: true,
      cell: ({ mark_price, simulated }) => (
        <>
          <Figure value={mark_price} />
          {simulated === true && (
            <Text c="dimmed" size="xs">
              simulated
            </Text>
          )}
        </>
      ),
    },
    {
      head: 'Unrealized',
      figure: true,
      cell: ({ unrealized_profit, currency }) => <Profit amount={unrealized_profit} currency={currency} />,
    },
    { head: 'Realized', figure: true, cell: ({ realized_profit }) => <Profit amount={realized_profit} /> },
    { head: 'Commission', figure: true, cell: ({ commission }) => money(commission) },
    { head: 'Changed', cell: ({ updated_at }) => <When at={updated_at} /> },
    {
      head: 'Actions',
      cell: (position) =>
        position.side !== 'flat' && (
          <FlattenStrategy
            position={position}
            strategy={{
              id: position.strategy_id,
              name: names.strategy(position.strategy_id),
              active: isActive(position.strategy_id),
            }}
            symbol={position.symbol}
          />
        ),
    },
  ];
}

export function PositionsPage(): ReactNode {
  const [search, change] = useSearchParts(...FILTERS, 'sort', 'cursor', 'flat');
  const names = useNames();
  const strategies = useQuery(strategiesQuery).data?.items;
  const { cursor, flat, ...chosen } = search;
  const listed = { ...chosen, ...(flat === undefined && { open: 'true' }) };
  const positions = useQuery(
    positionsOf({ ...asFilter<PositionFilter>(listed), ...(cursor !== undefined && { cursor }) }),
  );
  const isActive = (id: number) => strategies?.find((strategy) => strategy.id === id)?.active === true;
  return (
    <Page actions={<CsvLink list="positions" search={listed} />} title="Positions">
      <Filters change={change} search={search} shown={FILTERS} />
      <Group>
        <NativeSelect
          aria-label="Order"
          data={[
            { value: 'newest', label: 'Newest first' },
            { value: 'oldest', label: 'Oldest first' },
          ]}
          onChange={(event) => {
            change({ sort: event.currentTarget.value, cursor: undefined });
          }}
          size="xs"
          title="By when the strategy first traded the symbol"
          value={search.sort ?? 'newest'}
        />
        <Switch
          checked={flat !== undefined}
          label="Flat ones too"
          onChange={(event) => {
            change({ flat: event.currentTarget.checked ? 'shown' : undefined, cursor: undefined });
          }}
        />
      </Group>
      <List
        columns={columnsOf(names, isActive)}
        empty={flat === undefined ? 'No position is open.' : 'No strategy has traded here yet.'}
        keyOf={({ strategy_id, symbol }) => `${strategy_id} ${symbol}`}
        label="Positions"
        minWidth={1080}
        paging={pagingOf(cursor, change)}
        query={positions}
      />
    </Page>
  );
}
