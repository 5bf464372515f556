/** The strategies that trade, what they hold, and how to stop one. */
import { Card, Group, Table, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import type { Schemas } from '../../api/client';
import { haltsQuery } from '../../api/halts';
import { openPositionsQuery } from '../../api/positions';
import { isHalted } from '../../format/halts';
import { FlattenStrategy } from '../../parts/flatten';
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
  const waiting = strategies.filter(({ id, active }) => active && !holding.has(id));
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

interface PositionsProps {
  positions: readonly Schemas['Position'][];
  strategies: readonly Schemas['Strategy'][];
}

function Positions({ positions, strategies }: PositionsProps) {
  return (
    <Table.ScrollContainer minWidth={640}>
      <Table aria-label="Open positions" verticalSpacing={6}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Strategy</Table.Th>
            <Table.Th>Position</Table.Th>
            <Table.Th className="figure">Average</Table.Th>
            <Table.Th className="figure">Price now</Table.Th>
            <Table.Th className="figure">Unrealized</Table.Th>
            <Table.Th className="figure">Actions</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {positions.map((position) => (
            <PositionRow
              key={`${position.strategy_id} ${position.symbol}`}
              position={position}
              strategy={strategies.find(({ id }) => id === position.strategy_id)}
            />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function PositionRow({ position, strategy }: { position: Schemas['Position']; strategy: Schemas['Strategy'] | undefined }) {
  const names = useNames();
  const id = position.strategy_id;
  const name = names.strategy(id);
  return (
    <Table.Tr>
      <Table.Td>
        <To size="sm" to={`/strategies/${id}`}>
          {name}
        </To>
        <Text c="dimmed" size="xs">
          {names.account(position.broker_account_id)}
        </Text>
      </Table.Td>
      <Table.Td>
        <SideText side={position.side} /> <Figure value={position.net_qty.replace('-', '')} /> {position.symbol}
      </Table.Td>
      <Table.Td className="figure">
        <Figure value={position.avg_price} />
      </Table.Td>
      <Table.Td className="figure">
        <Figure value={position.mark_price} />
        {position.simulated === true && (
          <Text c="dimmed" size="xs">
            simulated
          </Text>
        )}
      </Table.Td>
      <Table.Td className="figure">
        <Profit amount={position.unrealized_profit} currency={position.currency} />
      </Table.Td>
      <Table.Td>
        <Group gap={4} justify="flex-end" wrap="nowrap">
          {strategy?.active === true && <Pause strategy={strategy} />}
          <FlattenStrategy
            position={position}
            strategy={{ id, name, active: strategy?.active === true }}
            symbol={position.symbol}
          />
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}
