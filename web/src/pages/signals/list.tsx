/** The signals, newest first, and what came of each on every strategy. */
import { Badge, Button, Stack, Table, Text, Title } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';

import { type Schemas, api, got } from '../../api/client';
import { dateTime, duration, exactly } from '../../format/times';
import { Empty, Loading, Refusal } from '../../parts/state';

const PAGE = 50;

function useSignals() {
  return useInfiniteQuery({
    queryKey: ['signals'],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam }) =>
      got(api.GET('/api/v1/signals', { params: { query: { limit: PAGE, ...(pageParam && { cursor: pageParam }) } } })),
    getNextPageParam: (page) => page.next_cursor,
  });
}

export function SignalsPage(): ReactNode {
  const signals = useSignals();
  if (signals.isPending) {
    return <Loading />;
  }
  if (signals.isError) {
    return <Refusal error={signals.error} retry={() => void signals.refetch()} />;
  }
  const rows = signals.data.pages.flatMap((page) => page.items);
  return (
    <Stack>
      <Title order={1}>Signals</Title>
      {rows.length === 0 ? <Empty>No alert has been accepted yet.</Empty> : <SignalTable signals={rows} />}
      {signals.hasNextPage && (
        <Button loading={signals.isFetchingNextPage} onClick={() => void signals.fetchNextPage()} variant="default">
          Older
        </Button>
      )}
    </Stack>
  );
}

function SignalTable({ signals }: { signals: readonly Schemas['Signal'][] }) {
  return (
    <Table.ScrollContainer minWidth={700}>
      <Table stickyHeader>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Received</Table.Th>
            <Table.Th>Action</Table.Th>
            <Table.Th>Result</Table.Th>
            <Table.Th>Why</Table.Th>
            <Table.Th className="figure">Receipt to fill</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {signals.map((signal) => (
            <SignalRow key={signal.id} signal={signal} />
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function SignalRow({ signal }: { signal: Schemas['Signal'] }) {
  const filled = signal.strategies.flatMap((strategy) => strategy.timeline).filter((step) => step.step === 'filled');
  const last = filled.at(-1);
  return (
    <Table.Tr>
      <Table.Td title={exactly(signal.received_at)}>{dateTime(signal.received_at, 'local')}</Table.Td>
      <Table.Td>
        <Text c={`var(--${signal.action})`} fw={600} span>
          {signal.action.toUpperCase()}
        </Text>{' '}
        {signal.comment}
      </Table.Td>
      <Table.Td>
        <Badge variant="light">{signal.status.replace('_', ' ')}</Badge>
      </Table.Td>
      <Table.Td>{signal.reason}</Table.Td>
      <Table.Td className="figure">{last === undefined ? '–' : duration(last.offset_us)}</Table.Td>
    </Table.Tr>
  );
}
