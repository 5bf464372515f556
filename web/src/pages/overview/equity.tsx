/** What an account was worth over time, and what it won or lost meanwhile. */
import { Card, Group, NativeSelect, SegmentedControl, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useInterval } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Suspense, lazy, useMemo, useState } from 'react';

import type { Schemas } from '../../api/client';
import { equityQuery } from '../../api/overview';
import { difference, money } from '../../format/decimals';
import { Empty, Refusal } from '../../parts/state';
import { EnvironmentBadge, Profit } from '../../parts/values';
import { When, useZone } from '../../parts/zone';

const Chart = lazy(() => import('../../parts/chart').then(({ Chart: component }) => ({ default: component })));

const SPANS = { '24 h': 1, '7 d': 7, '30 d': 30, '90 d': 90 } as const;
type Span = keyof typeof SPANS;

/** So long ago, by the whole minute: it is part of what is asked for. */
const daysAgo = (days: number) => new Date(Math.floor(Date.now() / 60_000) * 60_000 - days * 86_400_000).toISOString();

export function EquityCard({ accounts }: { accounts: readonly Schemas['BrokerAccount'][] }) {
  const [chosen, setChosen] = useState<number>();
  const [span, setSpan] = useState<Span>('24 h');
  const [, setMinute] = useState(0);
  useInterval(() => { setMinute((minute) => minute + 1); }, 60_000, { autoInvoke: true });
  const since = daysAgo(SPANS[span]);
  const account = accounts.find(({ id }) => id === chosen) ?? accounts[0];
  return (
    <Card component="section" withBorder>
      <Stack gap="xs">
        <Group justify="space-between">
          <Group gap="xs">
            <Title order={2} size="h4">
              Equity
            </Title>
            {account !== undefined && <EnvironmentBadge environment={account.environment} />}
          </Group>
          <Group gap="xs">
            {accounts.length > 1 && (
              <NativeSelect
                aria-label="Broker account"
                data={accounts.map(({ id, label }) => ({ value: String(id), label }))}
                onChange={(event) => {
                  setChosen(Number(event.currentTarget.value));
                }}
                size="xs"
                value={String(account?.id)}
              />
            )}
            <SegmentedControl
              aria-label="Time span"
              data={Object.keys(SPANS)}
              onChange={(value) => {
                setSpan(value as Span);
              }}
              size="xs"
              value={span}
            />
          </Group>
        </Group>
        {account === undefined ? <Empty>Link a broker account to see what it is worth.</Empty> : <Curve account={account} since={since} span={span} />}
      </Stack>
    </Card>
  );
}

function Curve({ account, since, span }: { account: Schemas['BrokerAccount']; since: string; span: Span }) {
  const [zone] = useZone();
  const equity = useQuery(equityQuery(account.id, since));
  const items = equity.data?.items;
  const points = useMemo(() => (items ?? []).map((point) => ({ at: point.at, value: point.equity })), [items]);
  const first = items?.[0];
  const last = items?.at(-1);
  if (equity.isError) {
    return <Refusal error={equity.error} retry={() => void equity.refetch()} />;
  }
  if (equity.isPending) {
    return <Skeleton height={260} />;
  }
  if (first === undefined || last === undefined) {
    return <Empty>Not sampled yet. The first value comes within a minute of connecting.</Empty>;
  }
  return (
    <>
      <Group align="baseline" gap="md">
        <Text className="amount">
          {money(last.equity)} {last.currency}
        </Text>
        <Text span>
          <Profit amount={difference(last.equity, first.equity)} currency={last.currency} /> in {span}
        </Text>
        <Text c="dimmed" size="sm" span>
          as of <When at={last.at} />
        </Text>
        {items?.some((point) => point.simulated) === true && (
          <Text c="dimmed" size="sm" span>
            with simulated prices
          </Text>
        )}
      </Group>
      <Suspense fallback={<Skeleton height={260} />}>
        <Chart label={`Equity of ${account.label} over the last ${span}`} points={points} zone={zone} />
      </Suspense>
    </>
  );
}
