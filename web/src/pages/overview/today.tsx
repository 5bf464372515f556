/** What happened today, and how the program itself stands. */
import { Card, Group, SimpleGrid, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';

import type { Schemas } from '../../api/client';
import { difference } from '../../format/decimals';
import { To } from '../../parts/to';
import { Profit } from '../../parts/values';

export function TodayCard({ overview }: { overview: Schemas['Overview'] }) {
  const { signals, deliveries, realized_profit: profits } = overview;
  const since = { since: overview.since };
  return (
    <Card component="section" withBorder>
      <Title mb="xs" order={2} size="h4">
        Today
      </Title>
      <SimpleGrid cols={{ base: 2, xs: 4 }} spacing="sm">
        <Count label="Signals" search={since} value={signals.total} />
        <Count label="Filled" search={{ ...since, status: 'filled' }} value={signals.filled} />
        {signals.partly_filled > 0 && (
          <Count label="Partly filled" search={{ ...since, status: 'partly_filled' }} value={signals.partly_filled} />
        )}
        <Count label="In work" search={{ ...since, status: 'pending' }} value={signals.pending} />
        <Count label="Skipped" search={{ ...since, status: 'skipped' }} value={signals.skipped} />
        <Count label="Denied" search={{ ...since, status: 'denied' }} value={signals.denied} />
        <Count label="Rejected" search={{ ...since, status: 'rejected' }} value={signals.rejected} />
        {signals.expired > 0 && <Count label="Expired" search={{ ...since, status: 'expired' }} value={signals.expired} />}
        <Count label="Unknown" search={{ ...since, status: 'unknown' }} value={signals.unknown} />
        <Fact label="Alerts refused">{deliveries.refused}</Fact>
      </SimpleGrid>
      {overview.truncated && (
        <Text c="dimmed" mt="xs" size="sm">
          There was more: the newest 100,000 are counted.
        </Text>
      )}
      {profits.map((profit) => (
        <Group gap="xs" key={profit.currency} mt="xs">
          <Text size="sm">Locked in today, after commission</Text>
          <Text fw={600} size="sm">
            <Profit amount={difference(profit.realized_profit, profit.commission)} currency={profit.currency} />
          </Text>
        </Group>
      ))}
    </Card>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div>
      <Text c="dimmed" size="xs">
        {label}
      </Text>
      <Text className="amount">{children}</Text>
    </div>
  );
}

function Count({ label, value, search }: { label: string; value: number; search: Record<string, string> }) {
  return (
    <Fact label={label}>
      {value === 0 ? (
        value
      ) : (
        <To aria-label={`${value} ${label.toLowerCase()}`} inherit search={search} to="/signals">
          {value}
        </To>
      )}
    </Fact>
  );
}

export function SystemLine({ system }: { system: Schemas['OverviewSystem'] }) {
  const state = system.ready ? 'Ready' : 'Not ready';
  const redis = system.redis ? ` · Redis ${system.redis}` : '';
  const books = system.books_reconciled ? 'books reconciled' : 'books are being compared: entries wait on the accounts whose books are not';
  return (
    <Text c="dimmed" size="sm">
      <span className={system.ready ? 'profit' : 'loss'}>{state}</span> · {books} · store {system.store}{redis} · Atomik {system.version}
    </Text>
  );
}
