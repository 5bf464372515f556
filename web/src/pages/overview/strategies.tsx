/** The strategies that trade, what they hold, and how to stop one. */
import { Card, Group, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import type { Schemas } from '../../api/client';
import { haltsQuery } from '../../api/halts';
import { openPositionsQuery } from '../../api/positions';
import { isHalted } from '../../format/halts';
import { FlattenStrategy } from '../../parts/flatten';
import { type Column, Rows } from '../../parts/list';
import { useNames } from '../../parts/names';
import { Pause } from '../../parts/pause';
import { Empty, Loading, Refusal } from '../../parts/state';
import { To } from '../../parts/to';
import { Figure, Profit, SideText } from '../../parts/values';

export function StrategiesCard({ strategies }: { strategies: readonly Schemas['Strategy'][] }) {
  const positions = useQuery(openPositionsQuery);
  const halts = useQuery(haltsQuery).data?.items ?? [];
  const held = positions.data?.items;
  const holding = new Set(held?.map((position) => position.strategy_id));
  // Where not all positions are known, no strategy is said to be flat.
  const isWhole = positions.data?.next_cursor === null;
  const waiting = strategies.filter(({ id, active }) => active && isWhole && !holding.has(id));
  return (
    <Card component="section" withBorder>
      <Title mb="xs" order={2} size="h4">
        Open positions
      </Title>
      {positions.isPending && <Loading />}
      {positions.isError && <Refusal error={positions.error} retry={() => void positions.refetch()} />}
      {held?.length === 0 && <Empty>No position is open.</Empty>}
      {held !== undefined && held.length > 0 && <Positions positions={held} strategies={strategies} />}
      {positions.data?.next_cursor != null && (
        <Text size="sm">
          The newest {positions.data.items.length} are shown: <To to="/positions">all open positions</To>
        </Text>
      )}
      {waiting.length > 0 && (
        <Group gap="xs" mt="xs">
          <Text c="dimmed" size="sm">
            Active and flat:
          </Text>
          {waiting.map((strategy) => (
            <Group gap={4} key={strategy.id}>
              <To size="sm" to={`/strategies/${strategy.id}`}>
                {strategy.name}
              </To>
              {isHalted(strategy, halts) && (
                <Text fw={600} size="sm">
                  halted
                </Text>
              )}
              <Pause strategy={strategy} />
            </Group>
          ))}
        </Group>
      )}
    </Card>
  );
}

type Position = Schemas['Position'];

interface PositionsProps {
  positions: readonly Position[];
  strategies: readonly Schemas['Strategy'][];
}

function Positions({ positions, strategies }: PositionsProps) {
  const names = useNames();
  return (
    <Rows
      columns={[
        {
          head: 'Strategy',
          cell: ({ strategy_id: id, broker_account_id }) => (
            <>
              <To inherit to={`/strategies/${id}`}>
                {names.strategy(id)}
              </To>
              <Text c="dimmed" size="xs">
                {names.account(broker_account_id)}
              </Text>
            </>
          ),
        },
        ...COLUMNS,
        {
          head: 'Actions',
          figure: true,
          cell: (position) => (
            <Acts position={position} strategy={strategies.find(({ id }) => id === position.strategy_id)} />
          ),
        },
      ]}
      keyOf={({ strategy_id, symbol }) => `${strategy_id} ${symbol}`}
      label="Open positions"
      minWidth={640}
      rows={positions}
    />
  );
}

const COLUMNS: readonly Column<Position>[] = [
  {
    head: 'Position',
    cell: ({ side, net_qty, symbol }) => (
      <>
        <SideText side={side} /> <Figure value={net_qty.replace('-', '')} /> {symbol}
      </>
    ),
  },
  { head: 'Average', figure: true, cell: ({ avg_price }) => <Figure value={avg_price} /> },
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
];

function Acts({ position, strategy }: { position: Position; strategy: Schemas['Strategy'] | undefined }) {
  const names = useNames();
  const { strategy_id: id, symbol } = position;
  const flattened = { id, name: names.strategy(id), active: strategy?.active === true };
  return (
    <Group display="inline-flex" gap={4} wrap="nowrap">
      {strategy?.active === true && <Pause strategy={strategy} />}
      <FlattenStrategy position={position} strategy={flattened} symbol={symbol} />
    </Group>
  );
}
