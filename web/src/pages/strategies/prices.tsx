/** At which prices a strategy traded lately. */
import { Skeleton, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Suspense, lazy, useMemo } from 'react';

import { fillsQuery } from '../../api/trades';
import { Section } from '../../parts/section';
import { useZone } from '../../parts/zone';

const Chart = lazy(() => import('../../parts/chart').then(({ Chart: component }) => ({ default: component })));

const DRAWN = 200;

export function FillPrices({ id, symbol }: { id: number; symbol: string }) {
  const [zone] = useZone();
  const fills = useQuery(fillsQuery({ strategy_id: id, limit: DRAWN })).data?.items;
  const points = useMemo(() => (fills ?? []).map((fill) => ({ at: fill.traded_at, value: fill.last_price })), [fills]);
  // One price is no line.
  if (points.length < 2) {
    return null;
  }
  return (
    <Section title="Fill prices">
      <Text c="dimmed" size="sm">
        The last {points.length} fills of {symbol}
        {fills?.some((fill) => fill.simulated) === true && ', simulated prices among them'}.
      </Text>
      <Suspense fallback={<Skeleton height={260} />}>
        <Chart label={`Fill prices of ${symbol}`} points={points} zone={zone} />
      </Suspense>
    </Section>
  );
}
