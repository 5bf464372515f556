/** The strategies that run a webhook's signals. */
import { Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';

import { type Schemas, api, got } from '../../api/client';
import { Section } from '../../parts/section';
import { Empty, Loading, Refusal } from '../../parts/state';
import { To } from '../../parts/to';

export function useLinked(id: number) {
  return useQuery({
    queryKey: ['strategies', 'of', id],
    queryFn: () => got(api.GET('/api/v1/strategies', { params: { query: { webhook_id: id, limit: 200 } } })),
  });
}

export function LinkedStrategies({ webhook }: { webhook: Schemas['Webhook'] }) {
  const linked = useLinked(webhook.id);
  const another = (
    <To search={{ webhook_id: String(webhook.id) }} size="sm" to="/strategies/new">
      New strategy on it
    </To>
  );
  return (
    <Section beside={another} title="Linked strategies">
      {linked.isPending && <Loading />}
      {linked.isError && <Refusal error={linked.error} retry={() => void linked.refetch()} />}
      {linked.data?.items.length === 0 && <Empty>None: its alerts are recorded, and trade nothing.</Empty>}
      {linked.data?.items.map((strategy) => (
        <Group gap="xs" key={strategy.id}>
          <To size="sm" to={`/strategies/${strategy.id}`}>
            {strategy.name}
          </To>
          <Text size="sm">
            {strategy.quantity} {strategy.symbol}, {strategy.active ? 'active' : 'paused'}
          </Text>
        </Group>
      ))}
    </Section>
  );
}
